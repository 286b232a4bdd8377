// One file of a command's spool: records one after the other, named after the offset of its first byte.
// Owns the file and the way from offsets to positions in it; knows nothing of what is kept how long.

import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MAX_RECORD_BYTES, RECORD_HEADER_BYTES, readRecords } from './output-tail.ts';

const SCAN_BYTES = 1024 * 1024;

interface Mark {
  readonly offset: number;
  readonly position: number;
}

export class SpoolSegment {
  readonly path: string;
  readonly base: number;
  /** Offset of the output after it. */
  end: number;
  /** Bytes of the file. */
  size = 0;
  readonly #marks: Mark[];
  #handle: FileHandle | null = null;

  constructor(path: string, base: number) {
    this.path = path;
    this.base = base;
    this.end = base;
    this.#marks = [{ offset: base, position: 0 }];
  }

  /** Reads an existing file; what a crash has cut off at its end is cut off for good. */
  static async recover(path: string, base: number): Promise<SpoolSegment> {
    const segment = new SpoolSegment(path, base);
    const handle = await open(path, 'r+');
    try {
      const chunk = Buffer.allocUnsafe(SCAN_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, SCAN_BYTES, segment.size);
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

  /** Appends records that hold `bytes` of output. */
  async append(records: readonly Buffer[], bytes: number): Promise<void> {
    this.#handle ??= await openAppending(this.path);
    let left = records;
    let size = records.reduce((sum, record) => sum + record.length, 0);
    this.size += size;
    while (size > 0) {
      const { bytesWritten } = await this.#handle.writev(left as Buffer[]);
      size -= bytesWritten;
      if (size > 0) left = [Buffer.concat(left).subarray(bytesWritten)];
    }
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
    return this.#marks[low] ?? { offset: this.base, position: 0 };
  }

  /** Nothing is appended any more; it can be read on. */
  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }
}

async function openAppending(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await open(path, 'a', 0o600);
  }
}

/** Bytes that hold at least one whole record, and four of the largest. */
export const READ_CHUNK_BYTES = 4 * (MAX_RECORD_BYTES + RECORD_HEADER_BYTES);
