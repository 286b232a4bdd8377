// The line of a text that a wanted one most likely meant, for messages. Pure and bounded: each line is looked at for
// equality, those of the first half million characters also for likeness.

import { shown } from './workspace-path.ts';

const MAX_CHARACTERS = 512 * 1024;
const MAX_LINE_CHARACTERS = 200;
const SHOWN_CHARACTERS = 120;
/** Of two lines, how much they must share. */
const LEAST_LIKENESS = 0.5;

/** `; nearest line 42: "..."`, or nothing. */
export function nearestLine(lines: readonly string[], wanted: readonly string[]): string {
  const key = wanted.find((line) => line.trim() !== '')?.trim();
  if (key === undefined) return '';
  const equal = lines.findIndex((line) => line.trim() === key);
  if (equal !== -1) return said(lines, equal);
  const words = wordsOf(key);
  let best = -1;
  let bestLikeness = 0;
  let seen = 0;
  for (const [index, line] of lines.entries()) {
    seen += line.length + 1;
    if (seen > MAX_CHARACTERS) break;
    const likeness = likenessOf(words, line.trim());
    if (likeness > bestLikeness) [best, bestLikeness] = [index, likeness];
  }
  return bestLikeness < LEAST_LIKENESS ? '' : said(lines, best);
}

const said = (lines: readonly string[], index: number): string =>
  `; nearest line ${index + 1}: ${shown((lines[index] ?? '').trimEnd().slice(0, SHOWN_CHARACTERS))}`;

function wordsOf(line: string): Map<string, number> {
  const words = new Map<string, number>();
  for (const [word] of line.slice(0, MAX_LINE_CHARACTERS).matchAll(/\w+|[^\s\w]/g)) words.set(word, (words.get(word) ?? 0) + 1);
  return words;
}

/** 0 to 1: the share of words, counted, that both have. */
function likenessOf(words: ReadonlyMap<string, number>, line: string): number {
  if (line === '') return 0;
  const others = wordsOf(line);
  let [common, all] = [0, 0];
  for (const count of words.values()) all += count;
  for (const [word, count] of others) {
    all += count;
    common += Math.min(count, words.get(word) ?? 0);
  }
  return all === 0 ? 0 : (2 * common) / all;
}
