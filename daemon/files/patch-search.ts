// Where a hunk's old lines stand in a text. Unified hunks: nearest to their line number, then with up to 2 context lines
// less at either end. Others: the first place after the hunk before, then with other white space. Pure; effort is bounded.

import type { Hunk, PatchEffort } from './patch-model.ts';
import { splitLines, withoutEnd } from './text-lines.ts';

const MAX_FUZZ = 2;

/** The text in lines, in the ways they are compared. */
export class TextLines {
  /** With their ends. */
  readonly raw: readonly string[];
  /** Without. */
  readonly bare: readonly string[];
  #trimmedEnd: readonly string[] | null = null;
  #trimmed: readonly string[] | null = null;

  constructor(text: string) {
    this.raw = splitLines(text);
    this.bare = this.raw.map(withoutEnd);
  }

  get trimmedEnd(): readonly string[] {
    this.#trimmedEnd ??= this.bare.map((line) => line.trimEnd());
    return this.#trimmedEnd;
  }

  get trimmed(): readonly string[] {
    this.#trimmed ??= this.bare.map((line) => line.trim());
    return this.#trimmed;
  }
}

export interface Place {
  /** 0-based index of the first line matched. */
  readonly at: number;
  /** Hunk lines left out at its start and end. */
  readonly skipStart: number;
  readonly skipEnd: number;
  readonly fuzz: number;
}

export interface SearchFrom {
  /** Lines before it belong to earlier hunks. */
  readonly cursor: number;
  /** How far the hunk before lay from its line number. */
  readonly offset: number;
  /** Compares line ends, too. */
  readonly isExact: boolean;
}

/** null: nowhere. */
export function findHunk(hunk: Hunk, lines: TextLines, from: SearchFrom, effort: PatchEffort): Place | null {
  return hunk.oldStart === null ? findByContext(hunk, lines, from, effort) : findByNumber(hunk, hunk.oldStart, lines, from, effort);
}

function findByNumber(hunk: Hunk, oldStart: number, lines: TextLines, from: SearchFrom, effort: PatchEffort): Place | null {
  const haystack = from.isExact ? lines.raw : lines.bare;
  const old = hunk.lines.filter(({ kind }) => kind !== 'new');
  const wanted = old.map(({ text, hasNewline }) => (from.isExact ? text + (hasNewline ? '\n' : '') : text.replace(/\r$/, '')));
  if (wanted.length === 0) {
    // After line `oldStart`: there is nothing to look for.
    const at = oldStart + from.offset;
    return at >= from.cursor && at <= haystack.length ? { at, skipStart: 0, skipEnd: 0, fuzz: 0 } : null;
  }
  const leading = hunk.lines.findIndex(({ kind }) => kind !== 'context');
  const trailing = leading === -1 ? 0 : hunk.lines.length - 1 - hunk.lines.findLastIndex(({ kind }) => kind !== 'context');
  for (let fuzz = 0; fuzz <= MAX_FUZZ; fuzz += 1) {
    const skipStart = Math.min(fuzz, Math.max(leading, 0));
    const skipEnd = Math.min(fuzz, trailing);
    if (fuzz > 0 && skipStart < fuzz && skipEnd < fuzz) break;
    const part = wanted.slice(skipStart, wanted.length - skipEnd);
    if (part.length === 0) break;
    const at = nearest(haystack, part, oldStart - 1 + from.offset + skipStart, from.cursor, effort);
    if (at !== null) return { at, skipStart, skipEnd, fuzz };
  }
  return null;
}

function nearest(
  haystack: readonly string[],
  wanted: readonly string[],
  expected: number,
  least: number,
  effort: PatchEffort,
): number | null {
  const most = haystack.length - wanted.length;
  const start = Math.min(Math.max(expected, least), most);
  for (let distance = 0; start - distance >= least || start + distance <= most; distance += 1) {
    for (const at of distance === 0 ? [start] : [start + distance, start - distance]) {
      if (at >= least && at <= most && standsAt(haystack, wanted, at, effort)) return at;
    }
  }
  return null;
}

function findByContext(hunk: Hunk, lines: TextLines, from: SearchFrom, effort: PatchEffort): Place | null {
  let { cursor } = from;
  for (const anchor of hunk.anchors) {
    const at = firstFrom(lines, [anchor], cursor, effort) ?? firstFrom(lines, [anchor], 0, effort);
    if (at === null) return null;
    // An anchor that stands before the cursor says where one is already.
    if (at.at >= cursor) cursor = at.at + 1;
  }
  const wanted = hunk.lines.filter(({ kind }) => kind !== 'new').map(({ text }) => text.replace(/\r$/, ''));
  if (wanted.length === 0) return { at: hunk.isAtEnd ? lines.raw.length : cursor, skipStart: 0, skipEnd: 0, fuzz: 0 };
  const last = lines.raw.length - wanted.length;
  const found =
    (hunk.isAtEnd && last >= cursor ? firstFrom(lines, wanted, last, effort) : null) ?? firstFrom(lines, wanted, cursor, effort);
  return found === null ? null : { at: found.at, skipStart: 0, skipEnd: 0, fuzz: found.fuzz };
}

function firstFrom(
  lines: TextLines,
  wanted: readonly string[],
  cursor: number,
  effort: PatchEffort,
): { readonly at: number; readonly fuzz: number } | null {
  const exact = scan(lines.bare, wanted, cursor, effort);
  if (exact !== null) return { at: exact, fuzz: 0 };
  const loose =
    scan(
      lines.trimmedEnd,
      wanted.map((line) => line.trimEnd()),
      cursor,
      effort,
    ) ??
    scan(
      lines.trimmed,
      wanted.map((line) => line.trim()),
      cursor,
      effort,
    );
  return loose === null ? null : { at: loose, fuzz: 1 };
}

function scan(haystack: readonly string[], wanted: readonly string[], cursor: number, effort: PatchEffort): number | null {
  for (let at = Math.max(cursor, 0); at + wanted.length <= haystack.length; at += 1) if (standsAt(haystack, wanted, at, effort)) return at;
  return null;
}

function standsAt(haystack: readonly string[], wanted: readonly string[], at: number, effort: PatchEffort): boolean {
  for (const [index, line] of wanted.entries()) {
    const other = haystack[at + index] ?? '';
    // Lines of one length are compared to their first difference: that may be far.
    effort.spend(1 + (other.length === line.length ? line.length >> 6 : 0));
    if (other !== line) return false;
  }
  return true;
}
