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
const NS_PER_MS = 1_000_000n;

export function toFileStat(raw: RawStat): FileStat {
  return {
    kind: KINDS[raw.kind] ?? 'device',
    mode: raw.mode & 0o7777,
    size: raw.size,
    modifiedAt: timestamp(raw.mtimeNs),
    inode: raw.inode.toString(),
    links: raw.links,
  };
}

/** RFC 3339 with nanoseconds; 64 bits of them never leave the years that it can say. */
function timestamp(ns: bigint): string {
  const rest = ((ns % NS_PER_MS) + NS_PER_MS) % NS_PER_MS;
  const whole = new Date(Number((ns - rest) / NS_PER_MS)).toISOString();
  return `${whole.slice(0, -1)}${String(rest).padStart(6, '0')}Z`;
}

/** Of a timestamp as stat says it. */
export function nanosecondsOf(modifiedAt: string): bigint {
  const fraction = /\.(\d+)/.exec(modifiedAt)?.[1] ?? '';
  return BigInt(Date.parse(modifiedAt)) * NS_PER_MS + BigInt(fraction.padEnd(9, '0').slice(3, 9));
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
