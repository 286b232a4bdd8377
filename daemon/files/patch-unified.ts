// Unified diffs, as diff -u, git and those who imitate them write them. Line counts of hunk headers that are wrong are
// not believed: the hunk then is what looks like one. Pure.

import { type FilePatch, type Hunk, malformed, type PatchLine } from './patch-model.ts';
import { gitNames, type HeaderNames, plainNames, readName } from './patch-names.ts';

const NUMBERED = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/;

export function isUnifiedHeader(lines: readonly string[], at: number): boolean {
  const line = lines[at] ?? '';
  return line.startsWith('diff --git ') || (line.startsWith('--- ') && (lines[at + 1] ?? '').startsWith('+++ '));
}

/** Text before, between and after files is skipped, as every patch tool does. */
export function parseUnified(lines: readonly string[], from: number): FilePatch[] {
  const files: FilePatch[] = [];
  let at = from;
  while (at < lines.length) {
    if (!isUnifiedHeader(lines, at)) {
      at += 1;
      continue;
    }
    const { file, next } = parseFile(lines, at);
    files.push(file);
    at = next;
  }
  return files;
}

interface Extended {
  readonly next: number;
  readonly mode?: number;
  readonly isNew: boolean;
  readonly isDeleted: boolean;
  readonly renameFrom?: string;
  readonly renameTo?: string;
}

function parseFile(lines: readonly string[], from: number): { readonly file: FilePatch; readonly next: number } {
  const first = lines[from] ?? '';
  const isGit = first.startsWith('diff --git ');
  const git: Extended = isGit ? extendedHeaders(lines, from + 1) : { next: from, isNew: false, isDeleted: false };
  const hasNames = (lines[git.next] ?? '').startsWith('--- ') && (lines[git.next + 1] ?? '').startsWith('+++ ');
  const names: HeaderNames | null = hasNames
    ? plainNames((lines[git.next] ?? '').slice(4), (lines[git.next + 1] ?? '').slice(4))
    : gitNames(first.slice('diff --git '.length));
  const { hunks, next } = parseHunks(lines, git.next + (hasNames ? 2 : 0));
  const mode = git.mode === undefined ? {} : { mode: git.mode };
  const rest = { ...mode, dialect: 'unified' as const, hunks };
  if (git.renameFrom !== undefined && git.renameTo !== undefined)
    return { file: { action: 'change', path: git.renameFrom, to: git.renameTo, ...rest }, next };
  if (names === null) throw malformed(from + 1, 'it names no file');
  if (names.from === null && names.to === null) throw malformed(from + 1, 'it names /dev/null twice');
  if (names.from === null || git.isNew) return { file: { action: 'create', path: names.to ?? names.from ?? '', ...rest }, next };
  if (names.to === null || git.isDeleted) return { file: { action: 'delete', path: names.from, ...rest }, next };
  const other = names.from === names.to ? {} : { otherPath: names.from };
  if (hunks.length === 0 && git.mode === undefined) throw malformed(from + 1, 'its file has no hunk');
  return { file: { action: 'change', path: names.to, ...other, ...rest }, next };
}

function extendedHeaders(lines: readonly string[], from: number): Extended {
  let result: Extended = { next: from, isNew: false, isDeleted: false };
  for (let at = from; at < lines.length; at += 1) {
    const line = (lines[at] ?? '').replace(/\r$/, '');
    const [, words = '', value = ''] = /^((?:new|deleted) file mode|(?:old|new) mode|(?:rename|copy) (?:from|to)) (.*)$/.exec(line) ?? [];
    if (words === 'new file mode' || words === 'new mode')
      result = { ...result, mode: fileMode(value, at), isNew: words === 'new file mode' };
    else if (words === 'deleted file mode') result = { ...result, isDeleted: fileMode(value, at) !== 0 };
    else if (words === 'rename from') result = { ...result, renameFrom: readName(value) };
    else if (words === 'rename to') result = { ...result, renameTo: readName(value) };
    else if (words.startsWith('copy')) throw malformed(at + 1, 'it copies a file, which is not supported: write the copy first');
    else if (line.startsWith('Binary files ') || line === 'GIT binary patch') throw malformed(at + 1, 'it changes a binary file');
    else if (words !== 'old mode' && !/^(dis)?similarity index |^index /.test(line)) return { ...result, next: at };
    result = { ...result, next: at + 1 };
  }
  return result;
}

function fileMode(text: string, at: number): number {
  if (text === '100644' || text === '100755') return Number.parseInt(text.slice(3), 8);
  throw malformed(at + 1, `it is of mode ${JSON.stringify(text.slice(0, 20))}: only regular files can be patched`);
}

/** Hunks from this line on, until something else comes. */
export function parseHunks(lines: readonly string[], from: number): { readonly hunks: Hunk[]; readonly next: number } {
  const hunks: Hunk[] = [];
  let at = from;
  while ((lines[at] ?? '').startsWith('@@')) {
    const header = (lines[at] ?? '').replace(/\r$/, '');
    const numbered = NUMBERED.exec(header);
    const counts = numbered === null ? null : { old: Number(numbered[2] ?? 1), new: Number(numbered[4] ?? 1) };
    const body = (counts === null ? null : bodyByCounts(lines, at + 1, counts)) ?? bodyByLooks(lines, at + 1);
    if (body.lines.length === 0 && hunkHasWork(counts)) throw malformed(at + 1, 'its hunk has no lines');
    const anchor = numbered === null ? header.slice(2).trim() : '';
    hunks.push({
      oldStart: numbered === null ? null : Number(numbered[1]),
      anchors: anchor === '' || anchor === '@@' ? [] : [anchor],
      isAtEnd: false,
      lines: body.lines,
    });
    at = body.next;
  }
  return { hunks, next: at };
}

const hunkHasWork = (counts: { old: number; new: number } | null): boolean => counts === null || counts.old + counts.new > 0;

interface Body {
  readonly lines: PatchLine[];
  readonly next: number;
}

/** null: the counts of the header are not those of the lines. */
function bodyByCounts(lines: readonly string[], from: number, counts: { readonly old: number; readonly new: number }): Body | null {
  const taken: PatchLine[] = [];
  let [at, left, right] = [from, counts.old, counts.new];
  while (left > 0 || right > 0) {
    const line = lines[at];
    if (line === undefined) return null;
    if (line.startsWith('\\')) markLast(taken);
    else {
      const parsed = hunkLine(line);
      if (parsed === null) return null;
      if (parsed.kind !== 'new') left -= 1;
      if (parsed.kind !== 'old') right -= 1;
      if (left < 0 || right < 0) return null;
      taken.push(parsed);
    }
    at += 1;
  }
  if ((lines[at] ?? '').startsWith('\\')) {
    markLast(taken);
    at += 1;
  }
  return goesOn(lines, at) ? null : { lines: taken, next: at };
}

/** Is there more of a hunk than its header counts? A mail's signature and a next file look like it and are not. */
function goesOn(lines: readonly string[], at: number): boolean {
  const line = (lines[at] ?? '').replace(/\r$/, '');
  return /^[ +-]/.test(line) && !isUnifiedHeader(lines, at) && line !== '-- ' && line !== '--';
}

function bodyByLooks(lines: readonly string[], from: number): Body {
  const taken: PatchLine[] = [];
  let at = from;
  for (; at < lines.length && !isUnifiedHeader(lines, at); at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('\\')) markLast(taken);
    else {
      const parsed = hunkLine(line);
      if (parsed === null) break;
      taken.push(parsed);
    }
  }
  // Empty lines at the end are the space before what follows.
  while (taken.length > 0 && /^\r?$/.test(lines[at - 1] ?? '')) {
    taken.pop();
    at -= 1;
  }
  return { lines: taken, next: skipEmpty(lines, at) };
}

/** To the next hunk, if nothing but empty lines is before it. */
function skipEmpty(lines: readonly string[], from: number): number {
  let at = from;
  while (/^\r?$/.test(lines[at] ?? 'end')) at += 1;
  return (lines[at] ?? '').startsWith('@@') ? at : from;
}

const KINDS: Readonly<Record<string, PatchLine['kind']>> = { ' ': 'context', '-': 'old', '+': 'new' };

/** A line of nothing is an empty context line whose blank an editor removed. */
export function hunkLine(line: string): PatchLine | null {
  if (line === '' || line === '\r') return { kind: 'context', text: line, hasNewline: true };
  const kind = KINDS[line[0] ?? ''];
  return kind === undefined ? null : { kind, text: line.slice(1), hasNewline: true };
}

function markLast(lines: PatchLine[]): void {
  const last = lines.pop();
  if (last !== undefined) lines.push({ ...last, hasNewline: false });
}
