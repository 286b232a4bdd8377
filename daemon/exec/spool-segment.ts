// One file of a command's spool: how much of it holds, then records one after the other, named after the offset of its first
// byte. Owns the file and the way from offsets to positions in it; knows nothing of what is kept how long.

import { constants, writeSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MAX_RECORD_BYTES, RECORD_HEADER_BYTES, readRecords } from './output-tail.ts';

const SCAN_BYTES = 1024 * 1024;
/** u64, little-endian: bytes of records that hold. What is behind them was never finished, or is an older command's part. */
const HEAD_BYTES = 8;

interface Mark {
  readonly offset: number;
  readonly position: number;
}

export class SpoolSegment {
  readonly path: string;
  readonly base: number;
  /** Offset of the output after it. */
  end: number;
  /** Bytes of it that hold: nothing behind them may be read. */
  size = HEAD_BYTES;
  readonly #marks: Mark[];
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #handle: FileHandle | null = null;
  /** Bytes that the file has already, of the one that it was. */
  #formerBytes = 0;
  /** Whose file it takes with its first write: to write over what is there costs half of a new file. */
  #former: SpoolSegment | null = null;
  #readers = 0;

  constructor(path: string, base: number) {
    this.path = path;
    this.base = base;
    this.end = base;
    this.#marks = [{ offset: base, position: HEAD_BYTES }];
  }

  /** Reads an existing file; what a crash has cut off at its end is cut off for good. */
  static async recover(path: string, base: number): Promise<SpoolSegment> {
    const segment = new SpoolSegment(path, base);
    const handle = await open(path, 'r+');
    try {
      const holding = await holdingBytes(handle);
      const chunk = Buffer.allocUnsafe(SCAN_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, Math.min(SCAN_BYTES, holding - segment.size), segment.size);
        const consumed = readRecords(chunk.subarray(0, bytesRead), segment.end, (piece) => {
          segment.end = piece.offset + piece.bytes.length;
        });
        if (consumed === 0) break;
        segment.size += consumed;
        segment.#marks.push({ offset: segment.end, position: segment.size });
      }
      await handle.truncate(segment.size);
    } finally {
      await handle.close();
    }
    return segment;
  }

  /** Bytes on disk. */
  get diskBytes(): number {
    return Math.max(this.size > HEAD_BYTES ? this.size : 0, this.#formerBytes);
  }

  /** Somebody reads the file: nothing may be written over it until he has let go. */
  hold(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
    };
  }

  /** The file may become another's. */
  get isFree(): boolean {
    return this.#readers === 0;
  }

  /** Writes over the file of one that nobody needs any more, and that is free. */
  takeOver(former: SpoolSegment): void {
    this.#former = former;
    this.#formerBytes = former.diskBytes;
  }

  /** Appends records that hold `bytes` of output. */
  async append(records: readonly Buffer[], bytes: number): Promise<void> {
    this.#handle ??= await this.#open();
    let left = records;
    let position = this.size;
    const end = records.reduce((sum, record) => sum + record.length, position);
    while (position < end) {
      const { bytesWritten } = await this.#handle.writev(left as Buffer[], position);
      position += bytesWritten;
      if (position < end) left = [Buffer.concat(left).subarray(bytesWritten)];
    }
    this.size = end;
    // Only now: a daemon that is killed in the middle must not leave a record that ends in older bytes.
    this.#writeHead(this.#handle);
    this.end += bytes;
    this.#marks.push({ offset: this.end, position: this.size });
  }

  /** A record boundary at or before `offset`. */
  seek(offset: number): Mark {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#marks[middle]?.offset ?? Infinity) <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#marks[low] ?? { offset: this.base, position: HEAD_BYTES };
  }

  /** Nothing is appended any more; it can be read on. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await this.#former?.remove();
    await rm(this.path, { force: true });
  }

  async #open(): Promise<FileHandle> {
    const former = this.#former;
    if (former !== null) {
      await former.close();
      const handle = await open(former.path, 'r+');
      try {
        // Under the new name none of the old records may hold.
        this.#writeHead(handle);
        await rename(former.path, this.path);
      } catch (error) {
        await handle.close();
        throw error;
      }
      this.#former = null;
      return handle;
    }
    try {
      return await openForWriting(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      return await openForWriting(this.path);
    }
  }

  #writeHead({ fd }: FileHandle): void {
    this.#head.writeBigUInt64LE(BigInt(this.size));
    writeSync(fd, this.#head, 0, HEAD_BYTES, 0);
  }
}

const openForWriting = (path: string): Promise<FileHandle> => open(path, constants.O_RDWR | constants.O_CREAT, 0o600);

async function holdingBytes(handle: FileHandle): Promise<number> {
  const head = Buffer.alloc(HEAD_BYTES);
  await handle.read(head, 0, HEAD_BYTES, 0);
  return Math.max(HEAD_BYTES, Number(head.readBigUInt64LE()));
}

/** Bytes that hold at least one whole record, and four of the largest. */
export const READ_CHUNK_BYTES = 4 * (MAX_RECORD_BYTES + RECORD_HEADER_BYTES);
