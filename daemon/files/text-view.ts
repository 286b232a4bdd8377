// A range of lines of a file, or what a directory holds, for a reader who wants text. Large files are read only as far as
// asked, and never held whole.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileEntry, FileStat } from '../../client/protocol/files.ts';
import { type FileView, MAX_TEXT_FILE_BYTES, MAX_VIEW_BYTES, MAX_VIEW_SCAN_BYTES } from '../../client/protocol/text.ts';
import { binaryRefusal, decodeText, hasUtf16Mark } from './text-encoding.ts';
import { newlineStyle, splitLines, withoutEnd } from './text-lines.ts';
import { LineWindow } from './text-window.ts';
import { type TextStore, tooLarge } from './text-store.ts';
import { shown } from './workspace-path.ts';

const MAX_LISTED = 10_000;
const MAX_ENTRIES = 1000;
const NUMBER_WIDTH = 6;

export interface ViewOptions {
  readonly startLine?: number | undefined;
  readonly endLine?: number | undefined;
  readonly numbered: boolean;
}

export async function view(store: TextStore, path: string, options: ViewOptions): Promise<FileView> {
  const { startLine = 1, endLine = Infinity } = options;
  if (endLine < startLine)
    throw new SandboxError('INVALID_REQUEST', `Cannot view ${shown(path)}: line ${endLine} is before line ${startLine}`);
  const stat = await store.stat(path);
  if (stat.kind === 'directory') return viewDirectory(store, path);
  if (stat.kind !== 'file') throw new SandboxError('NOT_REGULAR_FILE', `Cannot view ${shown(path)}: it is a ${stat.kind}`);
  const window = await readWindow(store, path, stat, startLine, endLine);
  const decoded = decodeText(window.bytes);
  if (decoded === null) throw binaryRefusal('view', path);
  const lines = splitLines(decoded.text);
  if (lines.length === 0 && startLine > 1)
    throw new SandboxError('INVALID_REQUEST', `Cannot view ${shown(path)} from line ${startLine}: it has ${window.totalLines ?? 0} lines`);
  const given = fitting(lines, startLine, options.numbered);
  return {
    kind: 'file',
    text: given.text,
    startLine,
    endLine: startLine + given.lines - 1,
    totalLines: window.totalLines,
    encoding: decoded.encoding,
    newline: newlineStyle(decoded.text),
    truncated: given.isCut || given.lines < lines.length || window.isCut,
  };
}

interface Window {
  /** Of the lines asked for. */
  readonly bytes: Buffer;
  readonly totalLines: number | null;
  readonly isCut: boolean;
}

async function readWindow(store: TextStore, path: string, stat: FileStat, startLine: number, endLine: number): Promise<Window> {
  const isSmall = stat.size <= MAX_TEXT_FILE_BYTES;
  const window = new LineWindow(startLine, endLine, isSmall ? MAX_TEXT_FILE_BYTES : MAX_VIEW_BYTES);
  const whole: Buffer[] = [];
  let seen = 0;
  let hasEnded = true;
  for await (const part of store.read(path)) {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    seen += bytes.length;
    if (isSmall) whole.push(Buffer.from(bytes));
    else {
      if (seen === bytes.length && hasUtf16Mark(bytes)) throw tooLarge('view', path);
      if (bytes.includes(0)) throw binaryRefusal('view', path);
      window.push(bytes);
    }
    if (isSmall ? seen > 2 * MAX_TEXT_FILE_BYTES : window.isFull) {
      hasEnded = false;
      break;
    }
    if (seen > MAX_VIEW_SCAN_BYTES)
      throw new SandboxError(
        'TOO_LARGE',
        `Cannot view ${shown(path)}: line ${startLine} is not in its first ${MAX_VIEW_SCAN_BYTES} bytes`,
        {
          hint: 'Use files.read with an offset.',
        },
      );
  }
  if (!isSmall) return { bytes: window.bytes(), totalLines: hasEnded ? window.lines : null, isCut: window.isCut };
  if (!hasEnded) throw new SandboxError('TOO_LARGE', `Cannot view ${shown(path)}: it grows while it is read`);
  return wholeWindow(path, Buffer.concat(whole), startLine, endLine);
}

/** Judged as a whole, so that its encoding does not depend on the lines asked for. */
function wholeWindow(path: string, bytes: Buffer, startLine: number, endLine: number): Window {
  const decoded = decodeText(bytes);
  if (decoded === null) throw binaryRefusal('view', path);
  if (decoded.encoding === 'utf-16le' || decoded.encoding === 'utf-16be') {
    const lines = splitLines(decoded.text);
    const text = lines.slice(startLine - 1, endLine === Infinity ? undefined : endLine).join('');
    const units = Buffer.from(`\ufeff${text}`, 'utf16le');
    return { bytes: decoded.encoding === 'utf-16le' ? units : units.swap16(), totalLines: lines.length, isCut: false };
  }
  const window = new LineWindow(startLine, endLine, bytes.length);
  window.push(bytes);
  return { bytes: window.bytes(), totalLines: window.lines, isCut: false };
}

interface Given {
  readonly text: string;
  readonly lines: number;
  readonly isCut: boolean;
}

/** As many lines as an answer takes; of a first one that is longer by itself, its beginning. */
function fitting(lines: readonly string[], startLine: number, numbered: boolean): Given {
  const out: string[] = [];
  let size = 0;
  for (const [index, line] of lines.entries()) {
    const shownLine = numbered ? `${String(startLine + index).padStart(NUMBER_WIDTH)}\t${withoutEnd(line)}` : line;
    size += Buffer.byteLength(JSON.stringify(shownLine));
    if (size > MAX_VIEW_BYTES) {
      if (index > 0) break;
      return { text: beginning(shownLine), lines: 1, isCut: true };
    }
    out.push(shownLine);
  }
  return { text: out.join(numbered ? '\n' : ''), lines: out.length, isCut: false };
}

/** A sixth always fits: no character takes more than six bytes of JSON. */
const beginning = (line: string): string => line.slice(0, Math.floor(MAX_VIEW_BYTES / 6)).replace(/[\ud800-\udbff]$/, '');

async function viewDirectory(store: TextStore, path: string): Promise<FileView> {
  const listing = await store.list(path, { depth: 1, limit: MAX_LISTED });
  const visible = listing.entries.filter((entry) => !entry.path.split('/').some((name) => name.startsWith('.')));
  visible.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const entries: FileEntry[] = [];
  let size = 0;
  for (const entry of visible.slice(0, MAX_ENTRIES)) {
    size += Buffer.byteLength(JSON.stringify(entry));
    if (size > 2 * MAX_VIEW_BYTES) break;
    entries.push(entry);
  }
  return {
    kind: 'directory',
    text: entries.map(directoryLine).join('\n'),
    entries,
    truncated: listing.truncated || entries.length < visible.length,
  };
}

/** What a directory holds comes right after it. */
const sortKey = ({ path }: FileEntry): string => path.replaceAll('/', '\0');

function directoryLine({ path, kind, symlinkTarget }: FileEntry): string {
  const name = `${path}${kind === 'directory' ? '/' : ''}${symlinkTarget === undefined ? '' : ` -> ${symlinkTarget}`}`;
  return /\p{Cc}/u.test(name) ? JSON.stringify(name) : name;
}
