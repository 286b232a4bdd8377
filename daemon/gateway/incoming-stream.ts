// One stream of bytes from the client: bounded by the credit it was given. Async-iterable, once.

import { encodeFrame, FLAG_EOF, FRAME_KIND, INITIAL_WINDOW, REPEATED_BYTES, type BinaryFrame } from '../../client/protocol/frames.ts';
import type { FrameSink } from './outgoing-stream.ts';

/** What a client may be ahead of the reader. With what the reader holds that is not yet out of its hands (for stdin the window of
 * cloister-init) it is less than what the client keeps for a resume: whatever dies between, the client still has it. */
const WINDOW = REPEATED_BYTES - 128 * 1024;

/** Smaller frames are kept together: a client that sends single bytes must not cost hundreds of times as much memory. */
const MERGED_BYTES = 4096;

/** Frames of this size and more are kept as they came. */
const VIEWED_BYTES = 32 * 1024;

interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class IncomingStream implements AsyncIterable<Uint8Array> {
  readonly id: number;
  readonly #sink: FrameSink;
  #chunks: Chunk[] = [];
  /** Offset of the first frame; null: none has come. */
  #first: number | null = null;
  /** Offset of the next frame; null: none has come. */
  #next: number | null = null;
  /** Offset of the first byte that is wanted; null until the reader has said so. */
  #base: number | null;
  #taken = 0;
  #credit: number;
  /** No frame may end after it: the credit, and on a resume what the client had sent before, which comes again without asking. */
  #limit: number;
  #isEnded = false;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  /** `base` null: frames wait until the reader says with beginAt where it goes on. */
  constructor(id: number, sink: FrameSink, base: 0 | null) {
    this.id = id;
    this.#sink = sink;
    this.#base = base;
    this.#credit = INITIAL_WINDOW;
    this.#limit = INITIAL_WINDOW;
  }

  /** False: the frame breaks the protocol (beyond credit, out of order, after the end). */
  accept(frame: BinaryFrame): boolean {
    const { offset } = frame;
    const end = offset + frame.payload.byteLength;
    const due = this.#next ?? Math.min(offset, this.#base ?? offset);
    if (this.#base === null && this.#next === null) this.#limit = offset + REPEATED_BYTES;
    if (this.#isEnded || offset !== due || end > this.#limit) return false;
    this.#first ??= offset;
    this.#next = end;
    // Safe because: what is kept is bounded by the credit. A view pins what was read with it, at most 64 KiB: too much for a
    // small frame, which is copied.
    const { payload } = frame;
    if (payload.byteLength >= VIEWED_BYTES) this.#keep({ offset, bytes: payload });
    else if (payload.byteLength > 0) this.#keep({ offset, bytes: Uint8Array.prototype.slice.call(payload) });
    if ((frame.flags & FLAG_EOF) !== 0) this.#isEnded = true;
    this.#wakeUp();
    return true;
  }

  /** The reader has everything before `base` already: it is dropped, however often it comes. */
  beginAt(base: number): void {
    if (this.#base !== null) return;
    this.#base = base;
    this.#taken = base;
    this.#credit = base + INITIAL_WINDOW;
    this.#limit = base + REPEATED_BYTES;
    const chunks = this.#chunks;
    this.#chunks = [];
    if ((this.#first ?? base) > base) {
      // Its end is the end of something else: what is missing must not be taken for never sent.
      this.#isEnded = false;
      this.fail(new Error('the stream begins after the byte that is due'));
    } else for (const chunk of chunks) this.#keep(chunk);
    if (base > 0) void this.#sink.sendFrame(encodeFrame(FRAME_KIND.credit, 0, this.id, this.#credit));
    this.#wakeUp();
  }

  /** The connection is gone: whoever reads gets the error after what has arrived. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeUp();
  }

  /** Bytes that came and that nobody has taken. */
  get keptBytes(): number {
    return this.#chunks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /** What was taken last is the last. */
  get isAtEnd(): boolean {
    return this.#isEnded && this.#chunks.length === 0;
  }

  /** The reader wants no more; a client that has not sent all is told to stop sending. */
  stop(): void {
    this.#chunks = [];
    if (this.#isEnded) return;
    void this.#sink.sendFrame(encodeFrame(FRAME_KIND.stop, 0, this.id, 0));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const chunk = this.#base === null ? undefined : this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk.bytes;
        this.#took(chunk.bytes.byteLength);
      } else if (this.#isEnded && this.#base !== null) return;
      else if (this.#failure !== null) throw this.#failure;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #keep({ offset, bytes }: Chunk): void {
    const known = Math.max(0, (this.#base ?? 0) - offset);
    if (known >= bytes.byteLength) return;
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.bytes.byteLength + bytes.byteLength - known <= MERGED_BYTES) {
      this.#chunks[this.#chunks.length - 1] = { offset: last.offset, bytes: Buffer.concat([last.bytes, bytes.subarray(known)]) };
    } else this.#chunks.push({ offset: offset + known, bytes: bytes.subarray(known) });
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#isEnded || this.#taken + WINDOW - this.#credit < WINDOW / 2) return;
    this.#credit = this.#taken + WINDOW;
    this.#limit = Math.max(this.#limit, this.#credit);
    void this.#sink.sendFrame(encodeFrame(FRAME_KIND.credit, 0, this.id, this.#credit));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
