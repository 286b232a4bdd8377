// Cuts a byte stream into frames. Owns the position in the stream; hands out views of what was read, so the data
// path copies nothing; allocates at most one bounded body for a frame that arrives in parts. Knows no connection.

import { FLAG, HEADER_BYTES, LinkViolation, readU64 } from './frames.ts';
import type { FrameBound, FrameBounds, FrameSink } from './frames.ts';

const OFFSET_BYTES = 8;

export class FrameDecoder {
  readonly #sink: FrameSink;
  #bounds: FrameBounds;
  /** Header, and the offset of a data frame, while they are incomplete. */
  readonly #head = Buffer.alloc(HEADER_BYTES + OFFSET_BYTES);
  #headBytes = 0;
  #headNeeded = HEADER_BYTES;
  /** The bound of the frame whose body is being read; null between frames. */
  #bound: FrameBound | null = null;
  #type = 0;
  #flags = 0;
  #id = 0;
  /** Body bytes to come. */
  #remaining = 0;
  /** Offset of the next data byte. */
  #offset = 0;
  #body: Buffer | null = null;
  #bodyBytes = 0;

  constructor(sink: FrameSink, bounds: FrameBounds) {
    this.#sink = sink;
    this.#bounds = bounds;
  }

  /** What may come from the next frame on. */
  allow(bounds: FrameBounds): void {
    this.#bounds = bounds;
  }

  /** Throws LinkViolation; the decoder can't be used after that. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at = this.#bound === null ? this.#pushHead(chunk, at) : this.#pushBody(chunk, at, this.#bound);
    }
  }

  #pushHead(chunk: Buffer, at: number): number {
    if (this.#headBytes === 0 && chunk.length - at >= HEADER_BYTES) {
      this.#readHeader(chunk, at);
      return at + HEADER_BYTES;
    }
    const taken = Math.min(this.#headNeeded - this.#headBytes, chunk.length - at);
    chunk.copy(this.#head, this.#headBytes, at, at + taken);
    this.#headBytes += taken;
    if (this.#headBytes === HEADER_BYTES) this.#readHeader(this.#head, 0);
    return at + taken;
  }

  #readHeader(head: Buffer, at: number): void {
    const length = head.readUInt32LE(at);
    const type = head[at + 4] ?? 0;
    const flags = head[at + 5] ?? 0;
    const bound = this.#bounds[type];
    if (bound === undefined) throw new LinkViolation(`a frame has type 0x${type.toString(16)}, which is unknown or not allowed now`);
    if (head.readUInt16LE(at + 6) !== 0 || (flags & ~bound.flags) !== 0)
      throw new LinkViolation(`a frame of type 0x${type.toString(16)} sets bits it must not`);
    if (length < bound.min || length > bound.max || (bound.unit !== undefined && length % bound.unit !== 0)) {
      throw new LinkViolation(`a frame of type 0x${type.toString(16)} has ${length} bytes`);
    }
    this.#type = type;
    this.#flags = flags;
    this.#id = head.readUInt32LE(at + 8);
    this.#remaining = length;
    this.#headBytes = 0;
    this.#offset = 0;
    this.#body = null;
    this.#bodyBytes = 0;
    if (bound.data === 'offset') this.#headNeeded = OFFSET_BYTES;
    if (length > 0) this.#bound = bound;
    else if (bound.data === undefined) this.#sink.frame(type, flags, this.#id, head.subarray(0, 0));
    else this.#sink.data(type, flags, this.#id, 0, head.subarray(0, 0), true);
  }

  #pushBody(chunk: Buffer, at: number, bound: FrameBound): number {
    if (this.#headNeeded === OFFSET_BYTES) return this.#pushOffset(chunk, at);
    const end = Math.min(at + this.#remaining, chunk.length);
    this.#remaining -= end - at;
    const isLast = this.#remaining === 0;
    if (isLast) this.#bound = null;
    if (bound.data !== undefined) {
      const offset = this.#offset;
      if (bound.data === 'offset') this.#offset += end - at;
      // The end of the stream is said with the last part only.
      const flags = isLast ? this.#flags : this.#flags & ~FLAG.eof;
      this.#sink.data(this.#type, flags, this.#id, offset, chunk.subarray(at, end), isLast);
    } else if (isLast && this.#body === null) {
      this.#sink.frame(this.#type, this.#flags, this.#id, chunk.subarray(at, end));
    } else {
      this.#body ??= Buffer.allocUnsafe(end - at + this.#remaining);
      chunk.copy(this.#body, this.#bodyBytes, at, end);
      this.#bodyBytes += end - at;
      if (isLast) this.#sink.frame(this.#type, this.#flags, this.#id, this.#body);
    }
    return end;
  }

  #pushOffset(chunk: Buffer, at: number): number {
    const taken = Math.min(OFFSET_BYTES - this.#headBytes, chunk.length - at);
    chunk.copy(this.#head, this.#headBytes, at, at + taken);
    this.#headBytes += taken;
    this.#remaining -= taken;
    if (this.#headBytes === OFFSET_BYTES) {
      this.#offset = readU64(this.#head, 0);
      this.#headBytes = 0;
      this.#headNeeded = HEADER_BYTES;
    }
    return at + taken;
  }
}
