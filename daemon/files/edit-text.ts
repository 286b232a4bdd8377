// Exact edits of a text: each must match exactly once, unless all are meant. Pure; bytes and files are others' business.

import { SandboxError } from '../../client/protocol/errors.ts';
import { MAX_PLACES, MAX_TEXT_FILE_BYTES, type NewlineStyle, type TextEdit } from '../../client/protocol/text.ts';
import { countLines, linesOfOffsets, newlineOf, newlineStyle, splitLines, withoutEnd } from './text-lines.ts';
import { nearestLine } from './text-nearest.ts';
import { shown } from './workspace-path.ts';

/** Characters searched by all edits of one call together. */
const MAX_WORK = 16 * 1024 * 1024;
const MAX_REPLACEMENTS = 100_000;
/** Characters of a text that are looked at to say what is near. */
const MAX_NEAR = 256 * 1024;

export interface EditedText {
  readonly text: string;
  /** One per edit. */
  readonly edits: { readonly replacements: number; readonly lines: number[] }[];
}

/** In order, each on what the one before left; the first that does not fit fails them all. */
export function editText(text: string, edits: readonly TextEdit[], path: string): EditedText {
  const style = newlineStyle(text);
  const done: { replacements: number; lines: number[] }[] = [];
  let [current, work] = [text, 0];
  for (const [index, edit] of edits.entries()) {
    const subject = edits.length === 1 ? shown(path) : `${shown(path)} (edit ${index + 1} of ${edits.length})`;
    work += current.length;
    if (work > MAX_WORK) throw tooMuch(subject, 'so many edits of so large a file take too long', 'Send fewer edits at once.');
    const { oldText, newText, count, offsets } = match(current, edit, style, subject);
    done.push({ replacements: count, lines: linesOfOffsets(current, offsets) });
    const length = current.length + count * (newText.length - oldText.length);
    if (length > MAX_TEXT_FILE_BYTES)
      throw tooMuch(subject, `it would be larger than ${MAX_TEXT_FILE_BYTES} bytes`, 'Change it with a command, or write it whole.');
    const [first = 0] = offsets;
    current =
      count === 1 ? current.slice(0, first) + newText + current.slice(first + oldText.length) : current.split(oldText).join(newText);
  }
  if (current === text)
    throw new SandboxError('INVALID_REQUEST', `Cannot edit ${shown(path)}: the new text is the same as the old one`, {
      hint: 'Send a newText that differs, or leave the file as it is.',
    });
  return { text: current, edits: done };
}

const tooMuch = (subject: string, cause: string, hint: string): SandboxError =>
  new SandboxError('TOO_LARGE', `Cannot edit ${subject}: ${cause}`, { hint });

interface Match {
  readonly oldText: string;
  readonly newText: string;
  readonly count: number;
  /** The first ones. */
  readonly offsets: readonly number[];
}

function match(text: string, edit: TextEdit, style: NewlineStyle, subject: string): Match {
  if (edit.oldText === '')
    throw new SandboxError('INVALID_REQUEST', `Cannot edit ${subject}: oldText is empty`, {
      hint: 'Use files.insert to add lines, or files.write to make a file.',
    });
  const found = findIn(text, edit, style);
  if (found.count === 0) throw noMatch(text, edit.oldText, subject);
  if (found.count > MAX_REPLACEMENTS)
    throw tooMuch(subject, `the text occurs more than ${MAX_REPLACEMENTS} times`, 'Replace it with a command, for example sed.');
  if (found.count > 1 && !edit.replaceAll) {
    const lines = linesOfOffsets(text, found.offsets);
    const more = found.count > lines.length ? ` and ${found.count - lines.length} more` : '';
    throw new SandboxError(
      'AMBIGUOUS_MATCH',
      `Cannot edit ${subject}: the text occurs ${found.count} times, on lines ${lines.join(', ')}${more}`,
    );
  }
  return found;
}

/** In a text of CRLF lines, what is sent with LF means CRLF; where both occur, as it was sent comes first. */
function findIn(text: string, { oldText, newText }: TextEdit, style: NewlineStyle): Match {
  if (style === 'crlf') return occurrences(text, asCrlf(oldText), asCrlf(newText));
  const asSent = occurrences(text, oldText, newText);
  if (style !== 'mixed' || !oldText.includes('\n') || asSent.count > 0) return asSent;
  const crlf = asCrlf(oldText);
  if (crlf !== oldText) return occurrences(text, crlf, asCrlf(newText));
  return occurrences(text, oldText.replaceAll('\r\n', '\n'), newText.replaceAll('\r\n', '\n'));
}

function occurrences(text: string, oldText: string, newText: string): Match {
  const offsets: number[] = [];
  let count = 0;
  for (let at = text.indexOf(oldText); at !== -1 && count <= MAX_REPLACEMENTS; at = text.indexOf(oldText, at + oldText.length)) {
    count += 1;
    if (offsets.length < MAX_PLACES) offsets.push(at);
  }
  return { oldText, newText, count, offsets };
}

function noMatch(text: string, oldText: string, subject: string): SandboxError {
  const lines = splitLines(text.slice(0, MAX_NEAR)).map(withoutEnd);
  const wanted = splitLines(oldText).map(withoutEnd);
  const other = looseLine(lines, wanted);
  if (other !== null)
    return new SandboxError(
      'NO_MATCH',
      `Cannot edit ${subject}: the text occurs 0 times; nearest line ${other}, where it differs in white space only`,
      { hint: 'Copy the indentation and the spaces exactly as files.view shows them.' },
    );
  return new SandboxError('NO_MATCH', `Cannot edit ${subject}: the text occurs 0 times${nearestLine(lines, wanted)}`);
}

/** Where all wanted lines stand but for white space at their ends; null: nowhere, or it takes too long to say. */
function looseLine(lines: readonly string[], wanted: readonly string[]): number | null {
  const keys = wanted.map((line) => line.trim());
  if (keys.every((key) => key === '')) return null;
  const trimmed = lines.map((line) => line.trim());
  let steps = 4 * (lines.length + keys.length) + 10_000;
  for (let at = 0; at + keys.length <= trimmed.length && steps > 0; at += 1) {
    let length = 0;
    while (length < keys.length && trimmed[at + length] === keys[length]) length += 1;
    steps -= length + 1;
    if (length === keys.length) return at + 1;
  }
  return null;
}

const asCrlf = (text: string): string => text.replaceAll(/\r?\n/g, '\r\n');

export interface InsertedText {
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly totalLines: number;
}

/** Whole lines after line `line` of the text; 0 is the top. The text ends with a newline as it did, or did not, before. */
export function insertLines(text: string, line: number, inserted: string, path: string): InsertedText {
  const total = countLines(text);
  if (line > total)
    throw new SandboxError('INVALID_REQUEST', `Cannot insert into ${shown(path)} after line ${line}: it has ${total} lines`, {
      hint: `Use a line from 0, the top, to ${total}, the end.`,
    });
  if (inserted === '') throw new SandboxError('INVALID_REQUEST', `Cannot insert into ${shown(path)}: the text is empty`);
  let at = 0;
  for (let before = line; before > 0; before -= 1) at = text.indexOf('\n', at) + 1 || text.length + 1;
  const isAfterOpenEnd = at > text.length || (at === text.length && text !== '' && !text.endsWith('\n'));
  at = Math.min(at, text.length);
  const newline = neighbourNewline(text, at);
  const fitted = newline === '\r\n' ? asCrlf(inserted) : inserted;
  const closed = fitted.endsWith('\n') ? fitted : fitted + newline;
  const piece = isAfterOpenEnd ? newline + withoutEnd(closed) : closed;
  const lines = countLines(closed);
  return { text: text.slice(0, at) + piece + text.slice(at), startLine: line + 1, endLine: line + lines, totalLines: total + lines };
}

/** How the line before `at` ends; at the top, or after a line without an end, how the first one does. */
function neighbourNewline(text: string, at: number): '\n' | '\r\n' {
  if (at === 0 || text[at - 1] !== '\n') return newlineOf(text);
  return text[at - 2] === '\r' ? '\r\n' : '\n';
}
