// What is not read because reading it would take more than linear time, or more than anyone writes. Pure.

/** The line is more than can be followed within the bounds. */
export class TooComplex extends Error {}

const MAX_HEREDOCS = 200;
/** Brackets open at once, fewer in long texts: each level is read again by the parser. */
const MAX_OPEN = 40;
const MAX_WORK = 1_000_000;
const OPENS = '({';

/** Throws for what the parser takes more than linear time for: deep nesting and here-documents in great number. */
export function assertReadable(text: string): void {
  if (text.split('<<', MAX_HEREDOCS + 2).length > MAX_HEREDOCS) throw new TooComplex('it has too many here-documents');
  const most = Math.min(MAX_OPEN, Math.max(4, Math.floor(MAX_WORK / text.length)));
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (char === ')' || char === '}') depth = Math.max(0, depth - 1);
    else if (OPENS.includes(char) && '$<>(@!?*+='.includes(text[at - 1] ?? '')) depth += 1;
    if (depth > most) throw new TooComplex('it is nested too deeply');
  }
}
