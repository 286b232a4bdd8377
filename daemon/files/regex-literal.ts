// What a line must contain to match at all: found much faster than a match, it says which lines are worth a look. Pure.

import { normalSet } from './regex-set.ts';
import type { RegexNode } from './regex-syntax.ts';

const MAX_LITERAL_BYTES = 255;

export interface RequiredLiteral {
  /** Empty: there is none. ASCII letters in lower case if `isFolded`. */
  readonly bytes: Buffer;
  /** Letters of it stand for either case. */
  readonly isFolded: boolean;
  /** It is all that the expression asks for. */
  readonly isAll: boolean;
}

interface Run {
  text: string;
  /** Some letter stands for either case. */
  isFolded: boolean;
  /** Some letter stands for one case only. */
  isExact: boolean;
}

export function requiredLiteral(tree: RegexNode): RequiredLiteral {
  const runs: Run[] = [{ text: '', isFolded: false, isExact: false }];
  const isWhole = collect(tree, runs) && runs.length === 1;
  const best = runs.reduce((a, b) => (Buffer.byteLength(b.text) > Buffer.byteLength(a.text) ? b : a));
  const text = best.isFolded ? best.text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : best.text;
  const bytes = Buffer.from(text);
  const isAll = isWhole && bytes.length > 0 && bytes.length <= MAX_LITERAL_BYTES && !(best.isFolded && best.isExact);
  // Cut anywhere, the bytes are still contained.
  return { bytes: bytes.subarray(0, MAX_LITERAL_BYTES), isFolded: best.isFolded, isAll };
}

/** Appends to the last run what must follow it. False: there is more to it than text. */
function collect(node: RegexNode, runs: Run[]): boolean {
  if (node.kind === 'empty') return true;
  if (node.kind === 'set') {
    const character = single(node.set);
    const run = runs.at(-1);
    if (character === null || run === undefined) return interrupt(runs);
    run.text += character.text;
    run.isFolded ||= character.isFolded;
    run.isExact ||= character.isExact;
    return true;
  }
  if (node.kind === 'sequence') return node.parts.map((part) => collect(part, runs)).every(Boolean);
  if (node.kind === 'repeat' && node.min > 0) {
    // Once at least; what comes next does not follow the first time.
    const isText = collect(node.node, runs);
    return node.min === 1 && node.max === 1 ? isText : interrupt(runs);
  }
  return interrupt(runs);
}

function interrupt(runs: Run[]): false {
  runs.push({ text: '', isFolded: false, isExact: false });
  return false;
}

function single(set: readonly (readonly [number, number])[]): Run | null {
  const ranges = normalSet(set);
  const codes = ranges.flatMap(([low, high]) => (high - low > 1 ? [-1, -1, -1] : low === high ? [low] : [low, high]));
  const [first, second] = codes;
  if (first === undefined || first < 0 || codes.length > 2) return null;
  const text = String.fromCodePoint(first);
  if (second === undefined) return { text, isFolded: false, isExact: /[A-Za-z]/.test(text) };
  const other = String.fromCodePoint(second);
  return /[A-Z]/.test(text) && other === text.toLowerCase() ? { text: other, isFolded: true, isExact: false } : null;
}
