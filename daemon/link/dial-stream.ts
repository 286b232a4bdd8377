// A byte stream to a listener on the sandbox's loopback, as a Node Duplex with credit in both directions.
// Owns the windows of one dial; knows nothing of HTTP or of why someone dials.

import { Duplex } from 'node:stream';
import { encodeU64 } from './encode.ts';
import type { FrameSender } from './frame-sender.ts';
import { DOWN, DIAL_WINDOW_BYTES, FLAG, LinkViolation, MAX_DATA, encodeFrame } from './frames.ts';

const HIGH_WATER_BYTES = 64 * 1024;

type WriteDone = (error?: Error | null) => void;

export class DialStream extends Duplex {
  readonly #id: number;
  readonly #sender: FrameSender;
  readonly #onRelease: () => void;
  #received = 0;
  #credited = 0;
  #sent = 0;
  #taken = 0;
  #hasEof = false;
  #isClosed = false;
  /** What the window had no room for; one write at a time. */
  #waiting: { bytes: Buffer; done: WriteDone } | null = null;

  constructor(id: number, sender: FrameSender, onRelease: () => void) {
    super({ allowHalfOpen: true, readableHighWaterMark: HIGH_WATER_BYTES, writableHighWaterMark: HIGH_WATER_BYTES });
    this.#id = id;
    this.#sender = sender;
    this.#onRelease = onRelease;
  }

  /** From the link: bytes of the server. */
  receive(bytes: Buffer, isEof: boolean): void {
    if (this.#hasEof) throw new LinkViolation(`dial ${this.#id}: data after its end`);
    this.#received += bytes.length;
    if (this.#received > this.#credited + DIAL_WINDOW_BYTES) throw new LinkViolation(`dial ${this.#id}: data beyond its window`);
    if (isEof) this.#hasEof = true;
    if (this.destroyed) return;
    if (bytes.length > 0) this.push(bytes);
    if (isEof) this.push(null);
  }

  /** From the link: bytes the server has taken. */
  credit(offset: number): void {
    if (offset <= this.#taken || offset > this.#sent)
      throw new LinkViolation(`dial ${this.#id}: credit ${offset} where up to ${this.#sent} can be`);
    this.#taken = offset;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) this.#send(waiting.bytes, waiting.done);
  }

  /** From the link: both directions ended, or the connection broke. */
  serverClosed(errno: number): void {
    this.#isClosed = true;
    if (errno !== 0) this.destroy(new Error(`the server's connection broke (errno ${errno})`));
    // Bytes may be missing: that is never told as a clean end.
    else if (!this.#hasEof) this.destroy(new Error("the server's connection ended before its end was told"));
    else {
      this.#waiting?.done();
      this.#waiting = null;
    }
    this.#onRelease();
  }

  override _read(): void {
    if (this.#credited === this.#received || this.#isClosed) return;
    this.#credited = this.#received;
    this.#sender.send(encodeU64(DOWN.dialCredit, 0, this.#id, this.#credited));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: WriteDone): void {
    this.#send(chunk, done);
  }

  override _final(done: WriteDone): void {
    if (!this.#isClosed) this.#sender.sendData(DOWN.dialData, FLAG.eof, this.#id, new Uint8Array(0));
    done();
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    if (!this.#isClosed) {
      this.#sender.send(encodeFrame(DOWN.dialClose, 0, this.#id));
      this.#isClosed = true;
      this.#onRelease();
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.done(error ?? new Error('the stream was destroyed'));
    done(error);
  }

  #send(bytes: Buffer, done: WriteDone): void {
    if (this.#isClosed) {
      done();
      return;
    }
    let at = 0;
    while (at < bytes.length) {
      const room = Math.min(DIAL_WINDOW_BYTES - (this.#sent - this.#taken), MAX_DATA, bytes.length - at);
      if (room === 0) {
        this.#waiting = { bytes: bytes.subarray(at), done };
        return;
      }
      this.#sender.sendData(DOWN.dialData, 0, this.#id, bytes.subarray(at, at + room));
      this.#sent += room;
      at += room;
    }
    done();
  }
}
