// Memory of large frames, used again once it is sent: a stream that allocates every frame keeps the garbage collector busier
// than itself. Owns the spare buffers; knows nothing of what is in them.

/** Smaller frames cost less to allocate than to keep. */
const MIN_BYTES = 16 * 1024;
const MAX_SPARE = 16;

export class FramePool {
  readonly #frameBytes: number;
  #spare: Buffer[] = [];

  /** `frameBytes`: of the largest frame. */
  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  /** Exactly this many bytes, at most `frameBytes`; their content is undefined. */
  take(bytes: number): Buffer {
    if (bytes < MIN_BYTES) return Buffer.allocUnsafe(bytes);
    const whole = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#frameBytes);
    return bytes === whole.length ? whole : whole.subarray(0, bytes);
  }

  /** Nobody reads it any more. */
  giveBack(frame: Buffer): void {
    if (frame.length >= MIN_BYTES && this.#spare.length < MAX_SPARE) this.#spare.push(Buffer.from(frame.buffer));
  }

  /** Frees what is spare. */
  rest(): void {
    this.#spare = [];
  }
}
