// What init says of a file -> what callers see. Owns the names of kinds and the packed listing; foreign data is checked.

import type { FileEntry, FileKind, FileStat } from '../../client/protocol/files.ts';
import { decodeStat } from '../link/decode.ts';
import { FILE_STAT_BYTES, LinkViolation, MAX_PATH_BYTES } from '../link/frames.ts';
import { pathText } from '../link/path-bytes.ts';
import type { RawStat } from '../link/messages.ts';

const KINDS: Readonly<Record<string, FileKind>> = {
  f: 'file',
  d: 'directory',
  l: 'symlink',
  p: 'fifo',
  s: 'socket',
  c: 'device',
  b: 'device',
};
const ENTRY_BYTES = FILE_STAT_BYTES + 4;
/** The last instant a Date can hold. */
const MAX_DATE_MS = 8_640_000_000_000_000;

export function toFileStat(raw: RawStat): FileStat {
  const milliseconds = Number(raw.mtimeNs / 1_000_000n);
  return {
    kind: KINDS[raw.kind] ?? 'device',
    mode: raw.mode & 0o7777,
    size: raw.size,
    modifiedAt: timestamp(milliseconds),
    inode: raw.inode.toString(),
    links: raw.links,
  };
}

/** A tenant can set any time on a file; one that RFC 3339 can't say is moved to the nearest it can. */
function timestamp(milliseconds: number): string {
  const year0 = -62_167_219_200_000;
  const year9999 = 253_402_300_799_999;
  return new Date(Math.min(Math.max(milliseconds, year0, -MAX_DATE_MS), year9999)).toISOString();
}

/** Puts a listing together from parts that may be cut anywhere. */
export class ListingParser {
  readonly #maxEntries: number;
  #entries: FileEntry[] = [];
  #count = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  push(bytes: Buffer): void {
    const buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (buffer.length - at >= ENTRY_BYTES) {
      const pathBytes = buffer.readUInt16LE(at + FILE_STAT_BYTES);
      const targetBytes = buffer.readUInt16LE(at + FILE_STAT_BYTES + 2);
      if (pathBytes === 0 || pathBytes > MAX_PATH_BYTES || targetBytes > MAX_PATH_BYTES)
        throw new LinkViolation('an entry of a listing is malformed');
      const end = at + ENTRY_BYTES + pathBytes + targetBytes;
      if (end > buffer.length) break;
      if (this.#count >= this.#maxEntries) throw new LinkViolation('a listing has more entries than were asked for');
      const pathEnd = at + ENTRY_BYTES + pathBytes;
      this.#count += 1;
      this.#entries.push({
        ...toFileStat(decodeStat(buffer, at)),
        path: pathText(buffer.subarray(at + ENTRY_BYTES, pathEnd)),
        ...(targetBytes === 0 ? {} : { symlinkTarget: pathText(buffer.subarray(pathEnd, end)) }),
      });
      at = end;
    }
    // At most one entry, whose parts are bounded above.
    this.#rest = Buffer.from(buffer.subarray(at));
  }

  /** The entries that are complete and have not been taken. */
  take(): FileEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** The rest of them; throws if the last one is cut short. */
  finish(): FileEntry[] {
    if (this.#rest.length > 0) throw new LinkViolation('a listing is cut short');
    return this.take();
  }
}
