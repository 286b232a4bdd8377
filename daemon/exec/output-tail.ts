// The newest output of one command in memory, in the record format of the spool's files: u32 (bytes << 1 | isStderr), bytes.
// Owns the blocks; small writes are packed, large ones kept as they came. Knows nothing of files.

import type { OutputStream } from '../link/messages.ts';

export const RECORD_HEADER_BYTES = 4;
/** Pieces from this size on are kept as views of what was read. */
const WHOLE_BYTES = 4 * 1024;
/** A reader of the files takes at least one record at a time. */
export const MAX_RECORD_BYTES = 64 * 1024;
const FIRST_BLOCK_BYTES = 512;
const MAX_BLOCK_BYTES = 32 * 1024;

export interface OutputPiece {
  readonly stream: OutputStream;
  /** Offset of the first byte in the combined output. */
  readonly offset: number;
  readonly bytes: Buffer;
}

interface Block {
  readonly offset: number;
  /** Bytes of output in it. */
  length: number;
  /** Records, or the bytes of one piece. */
  readonly buffer: Buffer;
  used: number;
  /** Where the last record begins; -1 for a whole piece. */
  lastRecord: number;
  /** Null: records. */
  readonly whole: OutputStream | null;
  /** It is being written and must not change. */
  isSealed: boolean;
}

const tag = (stream: OutputStream): number => (stream === 'stderr' ? 1 : 0);

/** Reads the records of a buffer; an incomplete last one is left out. Answers bytes consumed. */
export function readRecords(buffer: Buffer, offset: number, onPiece: (piece: OutputPiece) => void): number {
  let at = 0;
  let next = offset;
  while (at + RECORD_HEADER_BYTES <= buffer.length) {
    const header = buffer.readUInt32LE(at);
    const length = header >>> 1;
    if (length === 0 || at + RECORD_HEADER_BYTES + length > buffer.length) break;
    at += RECORD_HEADER_BYTES;
    onPiece({ stream: (header & 1) === 1 ? 'stderr' : 'stdout', offset: next, bytes: buffer.subarray(at, at + length) });
    at += length;
    next += length;
  }
  return at;
}

/** The part of a piece from `offset` on. */
export function cutPiece(piece: OutputPiece, offset: number): OutputPiece {
  if (offset <= piece.offset) return piece;
  return { stream: piece.stream, offset, bytes: piece.bytes.subarray(offset - piece.offset) };
}

export class OutputTail {
  readonly #blocks: Block[] = [];
  #end: number;
  /** Blocks before this one have been taken for writing. */
  #unwritten = 0;

  constructor(offset: number) {
    this.#end = offset;
  }

  /** Offset of the first byte that is here. */
  get start(): number {
    return this.#blocks[0]?.offset ?? this.#end;
  }

  get end(): number {
    return this.#end;
  }

  append(stream: OutputStream, bytes: Buffer): void {
    if (bytes.length > MAX_RECORD_BYTES) {
      for (let at = 0; at < bytes.length; at += MAX_RECORD_BYTES) this.append(stream, bytes.subarray(at, at + MAX_RECORD_BYTES));
      return;
    }
    if (bytes.length >= WHOLE_BYTES) {
      this.#blocks.push({
        offset: this.#end,
        length: bytes.length,
        buffer: bytes,
        used: bytes.length,
        lastRecord: -1,
        whole: stream,
        isSealed: true,
      });
    } else this.#pack(stream, bytes);
    this.#end += bytes.length;
  }

  /** What begins at `offset`, in order, about `maxBytes` of it. */
  read(offset: number, maxBytes: number): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    let bytes = 0;
    for (const block of this.#blocks) {
      if (block.offset + block.length <= offset) continue;
      if (bytes >= maxBytes) break;
      bytes += block.length;
      if (block.whole !== null) pieces.push(cutPiece({ stream: block.whole, offset: block.offset, bytes: block.buffer }, offset));
      else {
        readRecords(block.buffer.subarray(0, block.used), block.offset, (piece) => {
          if (piece.offset + piece.bytes.length > offset) pieces.push(cutPiece(piece, offset));
        });
      }
    }
    return pieces;
  }

  /** Records that were not taken before, for one write; they stay readable until `forget`. */
  take(): Buffer[] {
    const buffers: Buffer[] = [];
    for (const block of this.#blocks.slice(this.#unwritten)) {
      block.isSealed = true;
      if (block.whole !== null) {
        const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
        header.writeUInt32LE(((block.length << 1) | tag(block.whole)) >>> 0, 0);
        buffers.push(header);
      }
      buffers.push(block.buffer.subarray(0, block.used));
    }
    this.#unwritten = this.#blocks.length;
    return buffers;
  }

  /** Drops what was taken, but for the last `keepBytes`. */
  forget(keepBytes: number): void {
    let drop = 0;
    for (let first = this.#blocks[drop]; first !== undefined && drop < this.#unwritten; first = this.#blocks[drop]) {
      if (this.#end - (first.offset + first.length) < keepBytes) break;
      drop += 1;
    }
    if (drop === 0) return;
    this.#blocks.splice(0, drop);
    this.#unwritten -= drop;
  }

  #pack(stream: OutputStream, bytes: Buffer): void {
    const last = this.#blocks.at(-1);
    let block = last !== undefined && !last.isSealed ? last : undefined;
    if (block !== undefined) {
      const header = block.buffer.readUInt32LE(block.lastRecord);
      if ((header & 1) === tag(stream) && block.used + bytes.length <= block.buffer.length) {
        block.buffer.writeUInt32LE(header + bytes.length * 2, block.lastRecord);
        block.used += bytes.copy(block.buffer, block.used);
        block.length += bytes.length;
        return;
      }
      if (block.used + RECORD_HEADER_BYTES + bytes.length > block.buffer.length) block = undefined;
    }
    if (block === undefined) {
      const size = Math.min(
        Math.max((last?.whole === null ? last.buffer.length : 0) * 4, FIRST_BLOCK_BYTES, RECORD_HEADER_BYTES + bytes.length),
        MAX_BLOCK_BYTES,
      );
      block = { offset: this.#end, length: 0, buffer: Buffer.allocUnsafeSlow(size), used: 0, lastRecord: 0, whole: null, isSealed: false };
      this.#blocks.push(block);
    }
    block.lastRecord = block.used;
    block.buffer.writeUInt32LE(((bytes.length << 1) | tag(stream)) >>> 0, block.used);
    block.used += RECORD_HEADER_BYTES;
    block.used += bytes.copy(block.buffer, block.used);
    block.length += bytes.length;
  }
}
