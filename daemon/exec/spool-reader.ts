// Reads one command's output in order from an offset: from files, then from memory, gaps said explicitly.
// Owns one reader's position and open file; knows nothing of when there will be more.

import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { cutPiece, readRecords } from './output-tail.ts';
import type { OutputPiece } from './output-tail.ts';
import type { ExecSpool } from './spool.ts';
import { READ_CHUNK_BYTES } from './spool-segment.ts';
import type { SpoolSegment } from './spool-segment.ts';

const BATCH_BYTES = 256 * 1024;

export interface OutputGap {
  readonly from: number;
  readonly to: number;
}

/** Pieces in order, a gap, or null: nothing more has come yet. */
export type OutputBatch = readonly OutputPiece[] | OutputGap | null;

interface OpenFile {
  readonly segment: SpoolSegment;
  readonly handle: FileHandle;
  readonly letGo: () => void;
  position: number;
  offset: number;
}

export class SpoolReader {
  readonly #spool: ExecSpool;
  #offset: number;
  #file: OpenFile | null = null;

  constructor(spool: ExecSpool, offset: number) {
    this.#spool = spool;
    this.#offset = offset;
    spool.readerCame();
  }

  get offset(): number {
    return this.#offset;
  }

  /** Synchronous when memory has it, which is the common case of a reader that follows. */
  next(): OutputBatch | Promise<OutputBatch> {
    if (this.#offset >= this.#spool.end) return null;
    if (this.#offset >= this.#spool.tail.start) return this.#advance(this.#spool.tail.read(this.#offset, BATCH_BYTES));
    return this.#nextFromFile();
  }

  async close(): Promise<void> {
    this.#spool.readerWent();
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    file?.letGo();
    await file?.handle.close();
  }

  async #nextFromFile(): Promise<OutputBatch> {
    // A file that is being read survives its removal, and is not written over; only a new one must still be there.
    if (this.#file === null || this.#offset >= this.#file.segment.end) {
      await this.#closeFile();
      if (this.#offset < this.#spool.start) return this.#gap();
      const segment = this.#spool.segmentAt(this.#offset);
      if (segment === undefined) return this.#offset < this.#spool.tail.start ? this.#gap() : [];
      const letGo = segment.hold();
      try {
        const handle = await open(segment.path, 'r');
        this.#file = { segment, handle, letGo, ...segment.seek(this.#offset) };
      } catch (error) {
        letGo();
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || this.#offset >= this.#spool.start) throw error;
        return this.#gap();
      }
    }
    const file = this.#file;
    const chunk = Buffer.allocUnsafeSlow(READ_CHUNK_BYTES);
    const { bytesRead } = await file.handle.read(chunk, 0, Math.min(READ_CHUNK_BYTES, file.segment.size - file.position), file.position);
    const pieces: OutputPiece[] = [];
    const consumed = readRecords(chunk.subarray(0, bytesRead), file.offset, (piece) => {
      file.offset = piece.offset + piece.bytes.length;
      if (file.offset > this.#offset) pieces.push(cutPiece(piece, this.#offset));
    });
    if (consumed === 0) throw new Error(`spool file ${file.segment.path} is shorter than its index`);
    file.position += consumed;
    return this.#advance(pieces);
  }

  #gap(): OutputGap {
    const gap = { from: this.#offset, to: Math.max(this.#spool.start, this.#offset + 1) };
    this.#offset = gap.to;
    return gap;
  }

  #advance(pieces: readonly OutputPiece[]): readonly OutputPiece[] {
    const last = pieces.at(-1);
    if (last !== undefined) this.#offset = last.offset + last.bytes.length;
    return pieces;
  }
}
