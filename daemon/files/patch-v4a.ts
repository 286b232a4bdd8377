// V4A, the patches that models write for apply_patch: no line numbers, context decides. Pure.

import { type FilePatch, type Hunk, malformed, type PatchLine } from './patch-model.ts';
import { hunkLine } from './patch-unified.ts';

const HEADER = /^\*\*\* (Add|Update|Delete) File: (.*)$/;
const MOVE = '*** Move to: ';
const END_OF_FILE = '*** End of File';
const END_PATCH = '*** End Patch';
const BEGIN_PATCH = '*** Begin Patch';

export function isV4aHeader(line: string): boolean {
  return line.trimEnd() === BEGIN_PATCH || HEADER.test(line.trimEnd());
}

export function parseV4a(lines: readonly string[], from: number): FilePatch[] {
  const files: FilePatch[] = [];
  let at = (lines[from] ?? '').trimEnd() === BEGIN_PATCH ? from + 1 : from;
  while (at < lines.length && (lines[at] ?? '').trimEnd() !== END_PATCH) {
    const line = (lines[at] ?? '').trimEnd();
    const [, verb, path = ''] = HEADER.exec(line) ?? [];
    if (verb === undefined && line === '') {
      at += 1;
      continue;
    }
    if (verb === undefined) throw malformed(at + 1, `expected *** Add, Update or Delete File, or *** End Patch`);
    if (path === '') throw malformed(at + 1, 'it names no file');
    if (verb === 'Delete') {
      files.push({ action: 'delete', path, dialect: 'v4a', hunks: [] });
      at += 1;
    } else if (verb === 'Add') {
      const end = endOfFile(lines, at + 1);
      files.push({ action: 'create', path, dialect: 'v4a', hunks: [addedHunk(lines, at + 1, end)] });
      at = end;
    } else {
      const move = (lines[at + 1] ?? '').trimEnd();
      const to = move.startsWith(MOVE) ? { to: move.slice(MOVE.length) } : {};
      const start = at + 1 + ('to' in to ? 1 : 0);
      const end = endOfFile(lines, start);
      const hunks = parseSections(lines, start, end);
      if (hunks.length === 0 && !('to' in to)) throw malformed(at + 1, 'its file has no hunk');
      files.push({ action: 'change', path, ...to, dialect: 'v4a', hunks });
      at = end;
    }
  }
  return files;
}

/** Hunks without any file header. `+` lines alone are a new file. */
export function parseV4aBody(lines: readonly string[], path: string): FilePatch {
  const end = endOfFile(lines, 0);
  const isNew = lines.slice(0, end).every((line) => line.startsWith('+') || line.trimEnd() === '');
  return isNew
    ? { action: 'create', path, dialect: 'v4a', hunks: [addedHunk(lines, 0, end)] }
    : { action: 'change', path, dialect: 'v4a', hunks: parseSections(lines, 0, end) };
}

/** Where the next file begins, or the patch ends. */
function endOfFile(lines: readonly string[], from: number): number {
  let at = from;
  while (at < lines.length && !HEADER.test((lines[at] ?? '').trimEnd()) && (lines[at] ?? '').trimEnd() !== END_PATCH) at += 1;
  return at;
}

function addedHunk(lines: readonly string[], from: number, to: number): Hunk {
  let end = to;
  while (end > from && (lines[end - 1] ?? '').trimEnd() === '') end -= 1;
  if ((lines[end - 1] ?? '').trimEnd() === END_OF_FILE && end > from) end -= 1;
  const added: PatchLine[] = [];
  for (let at = from; at < end; at += 1) {
    const line = lines[at] ?? '';
    if (!line.startsWith('+')) throw malformed(at + 1, 'every line of an added file begins with +');
    added.push({ kind: 'new', text: line.slice(1), hasNewline: true });
  }
  return { oldStart: null, anchors: [], isAtEnd: false, lines: added };
}

function parseSections(lines: readonly string[], from: number, to: number): Hunk[] {
  const hunks: Hunk[] = [];
  let anchors: string[] = [];
  let taken: PatchLine[] = [];
  const close = (isAtEnd: boolean): void => {
    if (taken.length > 0) hunks.push({ oldStart: null, anchors, isAtEnd, lines: taken });
    [anchors, taken] = [[], []];
  };
  let end = to;
  while (end > from && (lines[end - 1] ?? '').trimEnd() === '') end -= 1;
  for (let at = from; at < end; at += 1) {
    const line = lines[at] ?? '';
    const bare = line.trimEnd();
    if (bare === END_OF_FILE) close(true);
    else if (bare === '@@' || line.startsWith('@@ ')) {
      if (taken.length > 0) close(false);
      // Line numbers have no place in V4A; models write them all the same.
      const anchor = bare.slice(3).replace(/^-\d+(?:,\d+)? \+\d+(?:,\d+)? @@ ?/, '');
      if (anchor.trim() !== '') anchors.push(anchor);
    } else {
      const parsed = hunkLine(line);
      if (parsed === null) throw malformed(at + 1, 'a line of a hunk begins with a blank, + or -');
      taken.push(parsed);
    }
  }
  close(false);
  return hunks;
}
