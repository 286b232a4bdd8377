// Patterns of arguments: `*` is any text, everything else itself. Linear in the text; against text that is only known when it
// runs the answer may be `maybe`. Pure.

import { ANY, hasGlob, isComputed, STAR, UNKNOWN } from './shell/markers.ts';

export type Match = 'yes' | 'maybe' | 'no';

const MAX_COMPARED = 2048;

export interface ArgPattern {
  readonly text: string;
  readonly pieces: readonly string[];
}

export const parsePattern = (text: string): ArgPattern => ({ text, pieces: text.split('*') });

export function matchPattern(pattern: ArgPattern, text: string): Match {
  // Markers match nothing but `*`: if that covers them, it covers whatever they become.
  if (matches(pattern.pieces, text)) return 'yes';
  if (!isComputed(text) && !hasGlob(text)) return 'no';
  return text.length > MAX_COMPARED || (areEndsAlike(pattern, text) && canBeEqual(pattern.text, text)) ? 'maybe' : 'no';
}

/** Of most texts what is settled at their ends says enough. */
function areEndsAlike({ pieces }: ArgPattern, text: string): boolean {
  const [first = ''] = pieces;
  const last = pieces.at(-1) ?? '';
  for (let at = 0; at < first.length && at < text.length && !isMarker(text[at]); at += 1) if (text[at] !== first[at]) return false;
  for (let at = 1; at <= last.length && at <= text.length && !isMarker(text.at(-at)); at += 1)
    if (text.at(-at) !== last.at(-at)) return false;
  return true;
}

function matches(pieces: readonly string[], text: string): boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

const isAny = (char: string | undefined): boolean => char === UNKNOWN || char === STAR || char === '\uE003' || char === '\uE004';
const isMarker = (char: string | undefined): boolean => char === ANY || isAny(char);

/** Do two texts with wildcards have a text in common? */
function canBeEqual(pattern: string, text: string): boolean {
  let row = new Uint8Array(text.length + 1);
  row[0] = 1;
  for (let at = 0; at < text.length && isAny(text[at]); at += 1) row[at + 1] = 1;
  for (const char of pattern) {
    const next = new Uint8Array(text.length + 1);
    next[0] = char === '*' ? (row[0] ?? 0) : 0;
    for (let at = 1; at <= text.length; at += 1) {
      const other = text[at - 1];
      const covers =
        char === '*'
          ? row[at] === 1 || next[at - 1] === 1
          : isAny(other)
            ? row[at] === 1 || next[at - 1] === 1 || row[at - 1] === 1
            : (other === char || other === ANY) && row[at - 1] === 1;
      if (covers) next[at] = 1;
    }
    row = next;
  }
  return row[text.length] === 1;
}
