// The receiving end of one stream: bytes in order, once, with credit for the sender as they are consumed.
// Knows nothing of sockets or of what the bytes mean.

import { ClientError } from './errors.ts';
import { FLAG_EOF, FLAG_STDERR, INITIAL_WINDOW, type BinaryFrame } from './protocol/index.ts';

/** Bytes a sender may be ahead of the consumer. */
export const WINDOW = 1024 * 1024;

/** Slots of taken pieces before they are cut off. */
const MAX_TAKEN = 1024;

export interface Piece {
  /** A view of the received message. */
  readonly bytes: Uint8Array;
  readonly isStderr: boolean;
  /** Offset of the first byte. */
  readonly offset: number;
  /** Bytes before it that the daemon no longer had. */
  readonly droppedBytes: number;
}

export class InboundStream {
  readonly #sendCredit: (offset: number) => void;
  #queue: (Piece | undefined)[] = [];
  #head = 0;
  #received: number;
  #consumed: number;
  #granted: number;
  #refillBelow = (INITIAL_WINDOW / 4) * 3;
  #isLive = false;
  #end: number | undefined;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(from: number, sendCredit: (offset: number) => void) {
    this.#received = from;
    this.#consumed = from;
    this.#granted = from + INITIAL_WINDOW;
    this.#sendCredit = sendCredit;
  }

  /** Offset up to which everything has arrived: where an interrupted stream goes on. */
  get received(): number {
    return this.#received;
  }

  /** Nothing is to come any more. */
  get isComplete(): boolean {
    return this.#end !== undefined && this.#received >= this.#end;
  }

  /** The sender has used all it may send. */
  get isStalled(): boolean {
    return this.#received >= this.#granted;
  }

  /** The sender has been heard on this connection: it knows the stream, so that what it is told of it is not lost. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** The request was sent again on a new connection: the sender starts with a fresh window. */
  reopened(): void {
    this.#isLive = false;
    this.#granted = this.#received + INITIAL_WINDOW;
    this.#refillBelow = WINDOW / 2;
  }

  push(frame: BinaryFrame): void {
    this.#isLive = true;
    let { payload, offset } = frame;
    const end = offset + payload.byteLength;
    if (offset > this.#received || end > this.#granted) {
      this.fail(
        new ClientError(
          'PROTOCOL_ERROR',
          `Cannot read the stream: bytes ${offset} to ${end} came, ${this.#received} to ${this.#granted} were due`,
        ),
      );
      return;
    }
    if (offset < this.#received) {
      payload = payload.subarray(Math.min(this.#received - offset, payload.byteLength));
      offset = this.#received;
    }
    if ((frame.flags & FLAG_EOF) !== 0) this.#end = end;
    if (payload.byteLength > 0) {
      this.#received = end;
      this.#queue.push({ bytes: payload, isStderr: (frame.flags & FLAG_STDERR) !== 0, offset, droppedBytes: 0 });
    }
    this.#notify();
  }

  /** Bytes up to `to` are gone; the next piece says how many. */
  skip(from: number, to: number): void {
    this.#isLive = true;
    if (to <= this.#received) return;
    const droppedBytes = to - Math.max(from, this.#received);
    this.#received = to;
    this.#granted = Math.max(this.#granted, to);
    this.#queue.push({ bytes: new Uint8Array(0), isStderr: false, offset: to, droppedBytes });
    this.#notify();
  }

  /** No byte at or after this offset belongs to the stream. */
  endAt(offset: number): void {
    this.#end ??= offset;
    this.#notify();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#notify();
  }

  discard(): void {
    this.#queue = [];
    this.#head = 0;
  }

  /** The next piece if it is here already. */
  take(): Piece | null {
    const piece = this.#queue[this.#head];
    if (piece === undefined) return null;
    this.#advance(piece);
    return piece;
  }

  /** The next piece, or null at the end. One caller at a time. */
  async next(): Promise<Piece | null> {
    for (;;) {
      const piece = this.take();
      if (piece !== null) return piece;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.isComplete) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #advance(piece: Piece): void {
    // A taken piece is let go at once: its memory is large and lies outside the heap.
    this.#queue[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#queue.length) this.discard();
    else if (this.#head === MAX_TAKEN) {
      this.#queue = this.#queue.slice(MAX_TAKEN);
      this.#head = 0;
    }
    this.#consumed = piece.offset + piece.bytes.byteLength;
    this.#grant();
  }

  #grant(): void {
    if (!this.#isLive || this.isComplete || this.#granted - this.#consumed > this.#refillBelow) return;
    this.#granted = this.#consumed + WINDOW;
    this.#refillBelow = WINDOW / 2;
    this.#sendCredit(this.#granted);
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
