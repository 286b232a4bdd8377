// What a search sends up -> lines and figures. Owns the layout of grep's records and of the end of a walk; foreign data is
// checked.

import type { GrepLine, GrepSummary } from '../../client/protocol/file-search.ts';
import type { Omission, WalkSummary } from '../../client/protocol/files.ts';
import { LinkViolation, MAX_PATH_BYTES, readU64 } from '../link/frames.ts';
import { pathText } from '../link/path-bytes.ts';

const END_BYTES = 56;
/** By bit. */
const OMISSIONS: readonly Omission[] = ['limit', 'depth', 'unreadable', 'ignoreRules', 'perFile', 'longLines'];
const KIND = { file: 0, match: 1, context: 2 } as const;
const RECORD_BYTES = 12;

/** `isTimeUp`: it was ended before it was done. */
export function walkSummary(body: Buffer, isTimeUp: boolean): WalkSummary {
  if (body.length < END_BYTES) throw new LinkViolation('the end of a listing is cut short');
  const why = body[8] ?? 0;
  const omitted = OMISSIONS.filter((_, bit) => (why & (1 << bit)) !== 0);
  if (isTimeUp) omitted.push('time');
  return { total: readU64(body, 0), truncated: omitted.length > 0, omitted, skipped: readU64(body, 16) };
}

export function grepSummary(body: Buffer, isTimeUp: boolean): GrepSummary {
  const summary = walkSummary(body, isTimeUp);
  return {
    ...summary,
    files: readU64(body, 24),
    binaryFiles: readU64(body, 32),
    matches: readU64(body, 40),
    longLines: readU64(body, 48),
  };
}

/** Puts the lines of a grep together from parts that may be cut anywhere. */
export class GrepParser {
  readonly #pathOf: (path: string) => string;
  #path: string | null = null;
  #rest: Buffer = Buffer.alloc(0);

  /** `pathOf`: of what init names, as the caller is told. */
  constructor(pathOf: (path: string) => string) {
    this.#pathOf = pathOf;
  }

  push(bytes: Buffer): GrepLine[] {
    const buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const lines: GrepLine[] = [];
    let at = 0;
    while (buffer.length - at >= RECORD_BYTES) {
      const size = buffer.readUInt16LE(at + 2);
      if (size > MAX_PATH_BYTES) throw new LinkViolation('a line of a search is malformed');
      const end = at + RECORD_BYTES + size;
      if (end > buffer.length) break;
      const line = this.#record(buffer.subarray(at, end));
      if (line !== null) lines.push(line);
      at = end;
    }
    // At most one record, whose size is bounded above.
    this.#rest = Buffer.from(buffer.subarray(at));
    return lines;
  }

  finish(): GrepLine[] {
    if (this.#rest.length > 0) throw new LinkViolation('a search is cut short');
    return [];
  }

  #record(record: Buffer): GrepLine | null {
    const kind = record[0];
    const bytes = record.subarray(RECORD_BYTES);
    if (kind === KIND.file) {
      this.#path = this.#pathOf(pathText(bytes));
      return null;
    }
    if ((kind !== KIND.match && kind !== KIND.context) || this.#path === null) throw new LinkViolation('a line of a search is malformed');
    const text = bytes.toString('utf8');
    return {
      path: this.#path,
      line: record.readUInt32LE(4),
      text: text.endsWith('\r') ? text.slice(0, -1) : text,
      isMatch: kind === KIND.match,
      ...(record[1] === 1 ? { lineBytes: record.readUInt32LE(8) } : {}),
    };
  }
}
