// One stream of bytes from the client: bounded by the credit it was given. Async-iterable, once.

import { encodeFrame, FLAG_EOF, FRAME_KIND, INITIAL_WINDOW, type BinaryFrame } from '../../client/protocol/frames.ts';
import type { FrameSink } from './outgoing-stream.ts';

export class IncomingStream implements AsyncIterable<Uint8Array> {
  readonly id: number;
  readonly #sink: FrameSink;
  readonly #chunks: Uint8Array[] = [];
  #received = 0;
  #taken = 0;
  #credit = INITIAL_WINDOW;
  #isEnded = false;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(id: number, sink: FrameSink) {
    this.id = id;
    this.#sink = sink;
  }

  /** False: the frame breaks the protocol (beyond credit, out of order, after the end). */
  accept(frame: BinaryFrame): boolean {
    const end = frame.offset + frame.payload.byteLength;
    if (this.#isEnded || frame.offset !== this.#received || end > this.#credit) return false;
    this.#received = end;
    // Safe because: the copy is bounded by the credit; a view would pin the whole message.
    if (frame.payload.byteLength > 0) this.#chunks.push(Uint8Array.prototype.slice.call(frame.payload));
    if ((frame.flags & FLAG_EOF) !== 0) this.#isEnded = true;
    this.#wakeUp();
    return true;
  }

  /** The connection is gone: whoever reads gets the error after what has arrived. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeUp();
  }

  /** The reader wants no more; the client is told to stop sending. */
  stop(): void {
    this.#chunks.length = 0;
    void this.#sink.sendFrame(encodeFrame(FRAME_KIND.stop, 0, this.id, 0));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.#took(chunk.byteLength);
      } else if (this.#isEnded) return;
      else if (this.#failure !== null) throw this.#failure;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    if (this.#isEnded || this.#taken + INITIAL_WINDOW - this.#credit < INITIAL_WINDOW / 2) return;
    this.#credit = this.#taken + INITIAL_WINDOW;
    void this.#sink.sendFrame(encodeFrame(FRAME_KIND.credit, 0, this.id, this.#credit));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
