// Brace expansion, as bash does it before anything else: `a{b,c}` and `{1..3}`. Pure, bounded: beyond that it is unknown.

import { UNKNOWN } from './markers.ts';
import type { Piece } from './piece.ts';

const MAX_CHARACTERS = 4096;
const MAX_WORDS = 256;
const MAX_DEPTH = 16;
/** No sequence is longer. */
const MAX_SEQUENCE = 32;

interface Char {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** A pair of braces. */
interface Pair {
  readonly open: number;
  readonly close: number;
  /** Commas of its own. */
  readonly commas: readonly number[];
}

export function expandBraces(pieces: readonly Piece[]): readonly (readonly Piece[])[] {
  const unquoted = pieces.filter(({ isQuoted }) => !isQuoted);
  if (!unquoted.some(({ text }) => text.includes('{'))) return [pieces];
  const length = pieces.reduce((sum, { text }) => sum + text.length, 0);
  if (length > MAX_CHARACTERS) return [[{ text: UNKNOWN, isQuoted: false }]];
  const chars = pieces.flatMap(({ text, isQuoted }): Char[] =>
    // An empty string in quotes keeps its word alive.
    text === '' ? [{ text, isQuoted }] : text.split('').map((char) => ({ text: char, isQuoted })),
  );
  const expanded = expand(chars, 0);
  return expanded === null ? [[{ text: UNKNOWN, isQuoted: false }]] : expanded;
}

/** null: more than the bounds allow. */
function expand(chars: readonly Char[], depth: number): (readonly Char[])[] | null {
  if (depth > MAX_DEPTH) return null;
  for (const pair of pairsIn(chars)) {
    const { open, close } = pair;
    if (open > 0 && isAt(chars, open - 1, '$')) continue;
    const alternatives = alternativesOf(chars, pair);
    if (alternatives === null) continue;
    const tails = expand(chars.slice(close + 1), depth + 1);
    if (tails === null) return null;
    const head = joined(chars.slice(0, open));
    const result: (readonly Char[])[] = [];
    for (const alternative of alternatives) {
      const middles = expand(alternative, depth + 1);
      if (middles === null) return null;
      if (result.length + middles.length * tails.length > MAX_WORDS) return null;
      for (const middle of middles) for (const tail of tails) result.push([...head, ...middle, ...tail]);
    }
    return result;
  }
  return [joined(chars)];
}

const isAt = (chars: readonly Char[], at: number, text: string): boolean => chars[at]?.text === text && !chars[at].isQuoted;

/** All pairs, outer ones first; one pass. */
function pairsIn(chars: readonly Char[]): readonly Pair[] {
  const found: Pair[] = [];
  const left: { readonly open: number; readonly commas: number[] }[] = [];
  for (let at = 0; at < chars.length; at += 1) {
    if (isAt(chars, at, '{')) left.push({ open: at, commas: [] });
    else if (isAt(chars, at, ',')) left.at(-1)?.commas.push(at);
    else if (isAt(chars, at, '}')) {
      const innermost = left.pop();
      if (innermost !== undefined) found.push({ ...innermost, close: at });
    }
  }
  return found.sort((a, b) => a.open - b.open);
}

function alternativesOf(chars: readonly Char[], { open, close, commas }: Pair): (readonly Char[])[] | null {
  if (commas.length === 0) return close - open > MAX_SEQUENCE ? null : sequence(chars.slice(open + 1, close));
  return [...commas, close].map((end, at) => chars.slice((at === 0 ? open : (commas[at - 1] ?? open)) + 1, end));
}

function sequence(inner: readonly Char[]): (readonly Char[])[] | null {
  const text = inner.map((char) => (char.isQuoted ? '\0' : char.text)).join('');
  const [, from, to, step] = /^(-?\d{1,9}|[A-Za-z])\.\.(-?\d{1,9}|[A-Za-z])(?:\.\.(-?\d{1,6}))?$/.exec(text) ?? [];
  if (from === undefined || to === undefined) return null;
  const isLetters = /[A-Za-z]/.test(from);
  if (isLetters !== /[A-Za-z]/.test(to)) return null;
  const [first, last] = isLetters ? [from.charCodeAt(0), to.charCodeAt(0)] : [Number(from), Number(to)];
  const stride = Math.max(1, Math.abs(Number(step ?? 1)));
  const values: (readonly Char[])[] = [];
  for (let at = 0; at <= Math.abs(last - first) && values.length <= MAX_WORDS; at += stride) {
    const value = first + (last < first ? -at : at);
    values.push([{ text: isLetters ? String.fromCharCode(value) : String(value), isQuoted: false }]);
  }
  return values;
}

/** What stands beside each other with the same quoting, as one; what may be anything stays by itself. */
function joined(chars: readonly Char[]): readonly Char[] {
  const runs: Char[] = [];
  let text = '';
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] as Char;
    text += char.text;
    const next = chars[at + 1];
    if (next !== undefined && next.isQuoted === char.isQuoted && char.text !== UNKNOWN && next.text !== UNKNOWN) continue;
    runs.push({ text, isQuoted: char.isQuoted });
    text = '';
  }
  return runs;
}
