// One stream of bytes to the client: waits for its credit and for the socket. Owns order and flow;
// where the bytes come from is the caller's business.

import { encodeFrame, FLAG_EOF, FLAG_STDERR, FRAME_KIND, INITIAL_WINDOW, MAX_PAYLOAD_BYTES } from '../../client/protocol/frames.ts';

export interface FrameSink {
  /** Resolves when the socket has room for more; rejects once it is closed. */
  sendFrame(frame: Uint8Array): Promise<void> | void;
}

export class OutgoingStream {
  readonly id: number;
  readonly #sink: FrameSink;
  #credit: number;
  #offset: number;
  #isStopped = false;
  #wake: (() => void) | null = null;

  constructor(id: number, sink: FrameSink, startOffset: number) {
    this.id = id;
    this.#sink = sink;
    this.#offset = startOffset;
    this.#credit = startOffset + INITIAL_WINDOW;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Bytes are left out here on purpose; the client is told by an event. */
  skipTo(offset: number): void {
    this.#credit += Math.max(0, offset - this.#offset);
    this.#offset = offset;
  }

  /** Sends all of it, as credit allows; false: the client wants no more. */
  async send(bytes: Uint8Array, isStderr: boolean): Promise<boolean> {
    let rest = bytes;
    while (rest.byteLength > 0) {
      while (this.#credit <= this.#offset && !this.#isStopped) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#isStopped) return false;
      const size = Math.min(rest.byteLength, this.#credit - this.#offset, MAX_PAYLOAD_BYTES);
      const frame = encodeFrame(FRAME_KIND.data, isStderr ? FLAG_STDERR : 0, this.id, this.#offset, rest.subarray(0, size));
      this.#offset += size;
      rest = rest.subarray(size);
      const room = this.#sink.sendFrame(frame);
      if (room !== undefined) await room;
    }
    return !this.#isStopped;
  }

  end(): void {
    if (!this.#isStopped) void this.#sink.sendFrame(encodeFrame(FRAME_KIND.data, FLAG_EOF, this.id, this.#offset));
  }

  /** Credit never goes back: an older frame changes nothing. */
  credit(offset: number): void {
    if (offset <= this.#credit) return;
    this.#credit = offset;
    this.#wakeUp();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
