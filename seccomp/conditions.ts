// Argument conditions of seccomp rules, and the encoding that survives how the kernel reads integers.
// The kernel truncates an `int` argument to 32 bits while a filter compares 64, so an integer is only ever
// allowed by EQ, or by MASKED_EQ whose mask stays within the low 32 bits; NE, GT and LT can be walked around.

/** One comparison of one syscall argument. All of a rule's conditions must hold; several rules are alternatives. */
export interface Condition {
  readonly index: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ';
  /** The value of EQ, or the mask of MASKED_EQ. */
  readonly value: number;
  /** What the masked argument must equal. */
  readonly valueTwo?: number;
}

/** Bits of the low word that a refused value has in common: `argument & mask === value`. */
export interface Pattern {
  readonly mask: number;
  readonly value: number;
}

const BIT_COUNT = 32;

/** Low words are kept unsigned, as JSON numbers must be. */
const unsigned = (word: number): number => word >>> 0;

export const equals = (index: number, value: number): Condition => ({ index, op: 'SCMP_CMP_EQ', value });

export const masked = (index: number, { mask, value }: Pattern): Condition => ({
  index,
  op: 'SCMP_CMP_MASKED_EQ',
  value: unsigned(mask),
  valueTwo: unsigned(value),
});

/** The low 32 bits are exactly `value`, whatever the ignored high half holds. */
export const lowWord = (index: number, value: number): Condition => masked(index, { mask: 0xffffffff, value });

/**
 * Alternatives that together allow every low word but those matching a refused pattern.
 *
 * A rule cannot say "not equal" safely, so the complement is walked as a binary tree: at each bit of `bitOrder` the
 * tree splits, and a branch that no refused pattern can reach any more becomes one MASKED_EQ alternative.
 */
export function allBut(index: number, refused: readonly Pattern[], bitOrder: readonly number[]): Condition[] {
  const allowed: Condition[] = [];
  const walk = (seen: Pattern, depth: number, open: readonly Pattern[]): void => {
    const reachable = open.filter((pattern) => ((pattern.value ^ seen.value) & pattern.mask & seen.mask) === 0);
    if (reachable.length === 0) {
      allowed.push(masked(index, seen));
      return;
    }
    if (reachable.some((pattern) => (pattern.mask & ~seen.mask) === 0)) return;
    const bit = bitOrder[depth];
    if (bit === undefined) throw new RangeError('Cannot split the tree: a refused pattern uses a bit that bitOrder lacks');
    const mask = seen.mask | (1 << bit);
    walk({ mask, value: seen.value }, depth + 1, reachable);
    walk({ mask, value: seen.value | (1 << bit) }, depth + 1, reachable);
  };
  walk({ mask: 0, value: 0 }, 0, refused);
  return allowed;
}

/** Alternatives that allow every low word but one. */
export function anythingBut(index: number, value: number): Condition[] {
  const bits = Array.from({ length: BIT_COUNT }, (_, bit) => bit);
  return allBut(index, [{ mask: 0xffffffff, value }], bits);
}
