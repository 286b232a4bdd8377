// Sets of code points as ranges, and a range of them as the byte sequences of UTF-8. Pure.

/** Inclusive, in any order, overlaps allowed. */
export type CharacterSet = readonly (readonly [number, number])[];

/** One sequence: a range for each byte. */
export type ByteSequence = readonly (readonly [number, number])[];

const MAX_CODE_POINT = 0x10_ffff;
/** Of a range, whose characters are asked one by one for their other case. */
const MAX_FOLDED = 1024;

const DIGIT: CharacterSet = [[48, 57]];
const LOWER: CharacterSet = [[97, 122]];
const UPPER: CharacterSet = [[65, 90]];
const WORD: CharacterSet = [...DIGIT, ...LOWER, ...UPPER, [95, 95]];
const SPACE: CharacterSet = [
  [9, 9],
  [11, 13],
  [32, 32],
];
const PUNCTUATION: CharacterSet = [
  [33, 47],
  [58, 64],
  [91, 96],
  [123, 126],
];

/** By the letter after a backslash, and by the name in brackets. No set holds a newline: matches lie within a line. */
export const NAMED_SETS: Readonly<Record<string, CharacterSet>> = {
  d: DIGIT,
  D: complement([...DIGIT, [10, 10]]),
  w: WORD,
  W: complement([...WORD, [10, 10]]),
  s: SPACE,
  S: complement([...SPACE, [10, 10]]),
  ':digit:': DIGIT,
  ':alpha:': [...LOWER, ...UPPER],
  ':alnum:': [...DIGIT, ...LOWER, ...UPPER],
  ':lower:': LOWER,
  ':upper:': UPPER,
  ':space:': SPACE,
  ':blank:': [
    [9, 9],
    [32, 32],
  ],
  ':punct:': PUNCTUATION,
  ':word:': WORD,
  ':xdigit:': [...DIGIT, [65, 70], [97, 102]],
  ':print:': [[32, 126]],
  ':graph:': [[33, 126]],
  ':cntrl:': [
    [0, 9],
    [11, 31],
    [127, 127],
  ],
};

/** Sorted, without overlaps. */
export function normalSet(set: CharacterSet): [number, number][] {
  const sorted = set.map(([low, high]): [number, number] => [low, high]).sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && range[0] <= last[1] + 1) last[1] = Math.max(last[1], range[1]);
    else merged.push(range);
  }
  return merged;
}

export function complement(set: CharacterSet): CharacterSet {
  const result: [number, number][] = [];
  let next = 0;
  for (const [low, high] of normalSet(set)) {
    if (low > next) result.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= MAX_CODE_POINT) result.push([next, MAX_CODE_POINT]);
  return result;
}

/** With the other case of each character that has one; of large ranges, of their ASCII letters. */
export function foldSet(set: CharacterSet): CharacterSet {
  const result: [number, number][] = [];
  for (const [low, high] of set) {
    result.push([low, high]);
    const end = high - low < MAX_FOLDED ? high : Math.min(high, 127);
    for (let code = low; code <= end; code += 1) {
      const character = String.fromCodePoint(code);
      for (const other of [character.toLowerCase(), character.toUpperCase()]) {
        const otherCode = other.codePointAt(0) ?? code;
        if (otherCode !== code && String.fromCodePoint(otherCode) === other) result.push([otherCode, otherCode]);
      }
    }
  }
  return result;
}

/** Every well-formed UTF-8 of the characters from `low` to `high`, and nothing else. */
export function utf8Sequences(low: number, high: number): ByteSequence[] {
  if (low > high) return [];
  // Surrogates are no characters.
  if (low <= 0xdfff && high >= 0xd800) return [...utf8Sequences(low, 0xd7ff), ...utf8Sequences(0xe000, high)];
  for (const edge of [0x7f, 0x7ff, 0xffff])
    if (low <= edge && high > edge) return [...utf8Sequences(low, edge), ...utf8Sequences(edge + 1, high)];
  for (let bits = 6; bits <= 18 && high > 0x7f; bits += 6) {
    const mask = 2 ** bits - 1;
    if (Math.floor(low / (mask + 1)) === Math.floor(high / (mask + 1))) continue;
    if (low % (mask + 1) !== 0) {
      const edge = low - (low % (mask + 1)) + mask;
      return [...utf8Sequences(low, edge), ...utf8Sequences(edge + 1, high)];
    }
    if (high % (mask + 1) !== mask) {
      const edge = high - (high % (mask + 1));
      return [...utf8Sequences(low, edge - 1), ...utf8Sequences(edge, high)];
    }
  }
  const [from, to] = [Buffer.from(String.fromCodePoint(low)), Buffer.from(String.fromCodePoint(high))];
  return [[...from].map((byte, index): [number, number] => [byte, to[index] ?? byte])];
}
