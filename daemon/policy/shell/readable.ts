// What is not read because reading it would take more than linear time, or more than anyone writes. Pure.

/** The line is more than can be followed within the bounds. */
export class TooComplex extends Error {}

const MAX_HEREDOCS = 200;
/** `$[1 + 2]`, which only old scripts have. */
const MAX_OLD_ARITHMETIC = 200;
/** Brackets open at once, fewer in long texts: each level is read again by the parser. */
const MAX_OPEN = 40;
const MAX_WORK = 1_000_000;
/** Codes of ( ) { }. */
const [OPENS, CLOSES, OPENS_BRACE, CLOSES_BRACE] = [40, 41, 123, 125];
/** Brackets that open count only at the beginning and where they follow one of these. */
const BEFORE = '$<>(@!?*+=';

/** Throws for what the parser takes more than linear time for: deep nesting and here-documents in great number. */
export function assertReadable(text: string): void {
  if (text.split('<<', MAX_HEREDOCS + 2).length > MAX_HEREDOCS) throw new TooComplex('it has too many here-documents');
  if (text.split('$[', MAX_OLD_ARITHMETIC + 2).length > MAX_OLD_ARITHMETIC + 1) throw new TooComplex('it has too much old arithmetic');
  const most = Math.min(MAX_OPEN, Math.max(4, Math.floor(MAX_WORK / text.length)));
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === CLOSES || code === CLOSES_BRACE) depth = Math.max(0, depth - 1);
    else if ((code === OPENS || code === OPENS_BRACE) && (at === 0 || BEFORE.includes(text.charAt(at - 1)))) depth += 1;
    if (depth > most) throw new TooComplex('it is nested too deeply');
  }
}
