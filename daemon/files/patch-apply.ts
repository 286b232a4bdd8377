// Hunks of one file applied to its text. Lines that stay keep their ends; new ones get those of the file unless the patch
// matches it byte for byte. Pure.

import type { Hunk, PatchEffort } from './patch-model.ts';
import { findHunk, type Place, TextLines } from './patch-search.ts';
import { newlineOf, newlineStyle } from './text-lines.ts';
import { nearestLine } from './text-nearest.ts';

export type AppliedPatch =
  | {
      readonly verdict: 'applied';
      readonly text: string;
      readonly added: number;
      readonly removed: number;
      /** Lines between a hunk and where its header has it, at most. */
      readonly offset: number;
      readonly fuzz: number;
    }
  | { readonly verdict: 'mismatch'; readonly reason: string };

export function applyHunks(text: string, hunks: readonly Hunk[], effort: PatchEffort): AppliedPatch {
  const lines = new TextLines(text);
  effort.grow(lines.raw.length);
  const exact = comparesExactly(text, hunks) ? applyTo(text, lines, hunks, true, effort) : null;
  return exact?.verdict === 'applied' ? exact : applyTo(text, lines, hunks, false, effort);
}

/** A patch that speaks of other line ends than the file has, or of none, means the file's, not to change them. */
function comparesExactly(text: string, hunks: readonly Hunk[]): boolean {
  const style = newlineStyle(text);
  if (hunks.some(({ oldStart }) => oldStart === null)) return false;
  const lines = hunks.flatMap((hunk) => hunk.lines);
  if (style === 'crlf' && lines.every((line) => !line.text.endsWith('\r'))) return false;
  return !(style === 'lf' && lines.length > 0 && lines.every((line) => line.text.endsWith('\r')));
}

function applyTo(text: string, lines: TextLines, hunks: readonly Hunk[], isExact: boolean, effort: PatchEffort): AppliedPatch {
  const newline = newlineOf(text);
  const out: string[] = [];
  let [cursor, offset, farthest, worst, added, removed] = [0, 0, 0, 0, 0, 0];
  let isEndNew = false;
  const push = (line: string): void => {
    const last = out.length - 1;
    if (last >= 0 && !(out[last] ?? '').endsWith('\n')) out[last] += newline;
    out.push(line);
  };
  for (const [index, hunk] of hunks.entries()) {
    const place = findHunk(hunk, lines, { cursor, offset, isExact }, effort);
    if (place === null) return { verdict: 'mismatch', reason: mismatch(lines, hunk, index, hunks.length) };
    if (hunk.oldStart !== null) {
      offset = place.at - place.skipStart - (hunk.lines.some(({ kind }) => kind !== 'new') ? hunk.oldStart - 1 : hunk.oldStart);
      farthest = Math.max(farthest, Math.abs(offset));
    }
    worst = Math.max(worst, place.fuzz);
    for (; cursor < place.at; cursor += 1) push(lines.raw[cursor] ?? '');
    for (const line of hunk.lines.slice(place.skipStart, hunk.lines.length - place.skipEnd)) {
      if (line.kind === 'new') {
        added += 1;
        push(isExact ? line.text + (line.hasNewline ? '\n' : '') : line.text.replace(/\r$/, '') + (line.hasNewline ? newline : ''));
      } else {
        if (line.kind === 'context') push(lines.raw[cursor] ?? '');
        else removed += 1;
        cursor += 1;
      }
    }
    isEndNew = cursor === lines.raw.length && endsNew(hunk, place);
  }
  for (; cursor < lines.raw.length; cursor += 1) push(lines.raw[cursor] ?? '');
  // Unless the patch says otherwise, a file without a newline at its end stays one.
  if (!isExact && isEndNew && text !== '' && !text.endsWith('\n') && out.length > 0) out.push((out.pop() ?? '').replace(/\r?\n$/, ''));
  return { verdict: 'applied', text: out.join(''), added, removed, offset: farthest, fuzz: worst };
}

function endsNew(hunk: Hunk, { skipEnd }: Place): boolean {
  return skipEnd === 0 && hunk.lines.at(-1)?.kind === 'new' && hunk.lines.every(({ hasNewline }) => hasNewline);
}

function mismatch(lines: TextLines, hunk: Hunk, index: number, count: number): string {
  const old = hunk.lines.filter(({ kind }) => kind !== 'new').map(({ text }) => text.replace(/\r$/, ''));
  const where = hunk.oldStart === null ? '' : ` (line ${hunk.oldStart})`;
  const anchor = hunk.anchors.find((line) => !lines.trimmed.includes(line.trim()));
  if (anchor !== undefined) return `hunk ${index + 1} of ${count}: the line of its @@ does not occur${nearestLine(lines.bare, [anchor])}`;
  if (old.length === 0) return `hunk ${index + 1} of ${count}${where} lies outside the file, which has ${lines.raw.length} lines`;
  return `hunk ${index + 1} of ${count}${where} does not match${nearestLine(lines.bare, old)}`;
}
