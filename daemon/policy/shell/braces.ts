// Brace expansion, as bash does it before anything else: `a{b,c}` and `{1..3}`. Pure, bounded: beyond that it is unknown.

import { UNKNOWN } from './markers.ts';
import type { Piece } from './piece.ts';

const MAX_CHARACTERS = 4096;
const MAX_WORDS = 256;
const MAX_DEPTH = 16;

interface Char {
  readonly text: string;
  readonly isQuoted: boolean;
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
  for (let open = 0; open < chars.length; open += 1) {
    if (!isAt(chars, open, '{') || (open > 0 && isAt(chars, open - 1, '$'))) continue;
    const close = closing(chars, open);
    if (close === -1) continue;
    const alternatives = alternativesOf(chars.slice(open + 1, close));
    if (alternatives === null) continue;
    const tails = expand(chars.slice(close + 1), depth + 1);
    if (tails === null) return null;
    const result: (readonly Char[])[] = [];
    for (const alternative of alternatives) {
      const middles = expand(alternative, depth + 1);
      if (middles === null) return null;
      for (const middle of middles) for (const tail of tails) result.push([...chars.slice(0, open), ...middle, ...tail]);
      if (result.length > MAX_WORDS) return null;
    }
    return result;
  }
  return [chars];
}

const isAt = (chars: readonly Char[], at: number, text: string): boolean => chars[at]?.text === text && !chars[at].isQuoted;

function closing(chars: readonly Char[], open: number): number {
  let depth = 0;
  for (let at = open; at < chars.length; at += 1) {
    if (isAt(chars, at, '{')) depth += 1;
    else if (isAt(chars, at, '}')) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

function alternativesOf(inner: readonly Char[]): (readonly Char[])[] | null {
  const found: Char[][] = [[]];
  let depth = 0;
  for (let at = 0; at < inner.length; at += 1) {
    if (isAt(inner, at, '{')) depth += 1;
    else if (isAt(inner, at, '}')) depth -= 1;
    if (depth === 0 && isAt(inner, at, ',')) found.push([]);
    else found.at(-1)?.push(inner[at] as Char);
  }
  return found.length > 1 ? found : sequence(inner);
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
