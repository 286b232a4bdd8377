// One stream of bytes to the client: waits for its credit and for the socket. Owns order and flow;
// where the bytes come from is the caller's business.

import { FramePool } from '../../client/protocol/frame-pool.ts';
import { FLAG_EOF, FLAG_STDERR, FRAME_HEADER_BYTES, FRAME_KIND, INITIAL_WINDOW, writeFrameHeader } from '../../client/protocol/frames.ts';

/** With WebSocket's own 4 bytes it is what Node reads from a socket at once: such a frame is not put together from two reads. */
export const MAX_FRAME_BYTES = 65_532;
const MAX_HELD_BYTES = MAX_FRAME_BYTES - FRAME_HEADER_BYTES;

export interface FrameSink {
  /** Resolves when the socket has room for more, or is closed. `onSent`: the frame's memory is not read any more. */
  sendFrame(frame: Uint8Array, onSent?: () => void): Promise<void> | void;
}

export class OutgoingStream {
  readonly id: number;
  /** Called when the client wants no more, or is gone. */
  onStop: (() => void) | null = null;
  readonly #sink: FrameSink;
  readonly #pool: FramePool;
  #credit: number;
  #offset: number;
  #isStopped = false;
  #wake: (() => void) | null = null;
  /** Taken and not yet sent; at most one frame, of one stream. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isStderr = false;
  #flushSoon: NodeJS.Immediate | null = null;
  /** Until the socket has room again. */
  #room: Promise<void> | undefined;

  constructor(id: number, sink: FrameSink, startOffset: number, pool = new FramePool(MAX_FRAME_BYTES)) {
    this.#pool = pool;
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
    this.#flush(0);
    this.#credit += Math.max(0, offset - this.#offset);
    this.#offset = offset;
  }

  /**
   * Takes all of it, as credit allows; the bytes must not change afterwards. False: the client wants no more. Answers at
   * once, without a promise, when there is credit and room for all of it.
   */
  send(bytes: Uint8Array, isStderr: boolean): boolean | Promise<boolean> {
    const taken = this.#room === undefined ? this.#take(bytes, isStderr) : 0;
    if (this.#isStopped) return false;
    return taken === bytes.byteLength ? true : this.#sendSlowly(bytes.subarray(taken), isStderr);
  }

  async #sendSlowly(bytes: Uint8Array, isStderr: boolean): Promise<boolean> {
    for (let rest = bytes; ; ) {
      await this.#room;
      rest = rest.subarray(this.#take(rest, isStderr));
      if (rest.byteLength === 0 || this.#isStopped) return !this.#isStopped;
      if (this.#room !== undefined) continue;
      this.#flush(0);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Bytes taken: less than all of them where credit or the socket's room ends. */
  #take(bytes: Uint8Array, isStderr: boolean): number {
    let taken = 0;
    while (taken < bytes.byteLength && this.#credit > this.#offset && this.#room === undefined && !this.#isStopped) {
      if (isStderr !== this.#isStderr) this.#flush(0);
      this.#isStderr = isStderr;
      const size = Math.min(bytes.byteLength - taken, this.#credit - this.#offset, MAX_HELD_BYTES - this.#heldBytes);
      this.#held.push(size === bytes.byteLength ? bytes : bytes.subarray(taken, taken + size));
      this.#heldBytes += size;
      this.#offset += size;
      taken += size;
      if (this.#heldBytes === MAX_HELD_BYTES) this.#flush(0);
      else this.#flushSoon ??= setImmediate(() => this.#flush(0));
    }
    return taken;
  }

  end(): void {
    if (!this.#isStopped) this.#flush(FLAG_EOF);
  }

  /** Credit never goes back: an older frame changes nothing. */
  credit(offset: number): void {
    if (offset <= this.#credit) return;
    this.#credit = offset;
    this.#wakeUp();
  }

  stop(): void {
    this.#isStopped = true;
    this.#flush(0);
    this.#wakeUp();
    this.onStop?.();
  }

  /** What is held as one frame: pieces that come in one turn of the event loop cost one message and not one each. */
  #flush(flags: number): void {
    if (this.#flushSoon !== null) clearImmediate(this.#flushSoon);
    this.#flushSoon = null;
    const held = this.#held;
    const bytes = this.#heldBytes;
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#isStopped || (bytes === 0 && flags === 0)) return;
    const frame = this.#pool.take(FRAME_HEADER_BYTES + bytes);
    writeFrameHeader(frame, FRAME_KIND.data, flags | (bytes > 0 && this.#isStderr ? FLAG_STDERR : 0), this.id, this.#offset - bytes);
    let at = FRAME_HEADER_BYTES;
    for (const piece of held) {
      frame.set(piece, at);
      at += piece.byteLength;
    }
    const room = this.#sink.sendFrame(frame, () => this.#pool.giveBack(frame));
    if (room === undefined) return;
    this.#room = room.finally(() => (this.#room = undefined));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
