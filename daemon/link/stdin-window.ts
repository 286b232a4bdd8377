// What has been sent to a command's stdin and not yet been taken by it; sent again after a reconnect.
// Owns offsets and the 64 KiB window; knows nothing of who writes.

import { DOWN, FLAG, LinkViolation, MAX_DATA } from './frames.ts';
import type { FrameSender } from './frame-sender.ts';

export class StdinWindow {
  readonly #number: number;
  readonly #sender: FrameSender;
  readonly #windowBytes: number;
  /** Bytes from `#taken` on, as sent. */
  #unacknowledged: Uint8Array[] = [];
  #sent = 0;
  #taken = 0;
  #isEofSent = false;
  #isClosed = false;
  /** False after a reconnect, until init has said how much its command has taken: what it had in its buffer is gone. */
  #isInStep: boolean;
  /** An offset on this connection may repeat the last one once, to bring both sides in step. */
  #mayRepeat: boolean;

  constructor(number: number, sender: FrameSender, windowBytes: number, isInStep: boolean) {
    this.#number = number;
    this.#sender = sender;
    this.#windowBytes = windowBytes;
    this.#isInStep = isInStep;
    this.#mayRepeat = !isInStep;
  }

  /** Bytes that may be written now. */
  get room(): number {
    return this.#isClosed || this.#isEofSent ? 0 : this.#windowBytes - (this.#sent - this.#taken);
  }

  write(bytes: Uint8Array, isEof: boolean): void {
    if (this.#isClosed || this.#isEofSent) return;
    if (bytes.byteLength > this.room) throw new RangeError('more stdin than its window has room for');
    if (bytes.byteLength > 0) this.#unacknowledged.push(bytes);
    this.#sent += bytes.byteLength;
    this.#isEofSent = isEof;
    if (this.#isInStep) this.#send(bytes, isEof);
  }

  credit(offset: number, isClosed: boolean): void {
    // Each write that crossed the end on its way is answered, so an end may be said more than once.
    if (this.#isClosed) return;
    const isStep = !this.#isInStep && this.#sent === 0 && this.#taken === 0;
    if (isStep && offset > 0) {
      // Adopted: an earlier daemon sent these bytes.
      this.#sent = offset;
      this.#taken = offset;
    }
    if (offset < this.#taken || offset > this.#sent)
      throw new LinkViolation(`exec ${this.#number}: stdin credit ${offset} where ${this.#taken} to ${this.#sent} can be`);
    if (offset === this.#taken && !isClosed && !this.#mayRepeat) throw new LinkViolation(`exec ${this.#number}: stdin credit repeated`);
    this.#mayRepeat = false;
    this.#trim(offset);
    if (isClosed) {
      this.#isClosed = true;
      this.#unacknowledged = [];
    }
    if (!this.#isInStep) this.#resend();
  }

  /** Waits for init's word if anything may have been lost; otherwise goes on. */
  reconnected(): void {
    this.#mayRepeat = true;
    this.#isInStep = this.#sent === this.#taken && this.#isInStep;
    if (this.#isInStep && this.#isEofSent) this.#send(new Uint8Array(0), true);
  }

  drop(): void {
    this.#isClosed = true;
    this.#unacknowledged = [];
  }

  #resend(): void {
    this.#isInStep = true;
    if (this.#isClosed) return;
    for (const bytes of this.#unacknowledged) this.#send(bytes, false);
    if (this.#isEofSent) this.#send(new Uint8Array(0), true);
  }

  #trim(offset: number): void {
    let excess = offset - this.#taken;
    this.#taken = offset;
    while (excess > 0) {
      const first = this.#unacknowledged[0];
      if (first === undefined) return;
      if (first.byteLength > excess) {
        this.#unacknowledged[0] = first.subarray(excess);
        return;
      }
      this.#unacknowledged.shift();
      excess -= first.byteLength;
    }
  }

  #send(bytes: Uint8Array, isEof: boolean): void {
    let at = 0;
    while (bytes.byteLength - at > MAX_DATA) {
      this.#sender.sendData(DOWN.stdin, 0, this.#number, bytes.subarray(at, at + MAX_DATA));
      at += MAX_DATA;
    }
    if (bytes.byteLength > at || isEof) this.#sender.sendData(DOWN.stdin, isEof ? FLAG.eof : 0, this.#number, bytes.subarray(at));
  }
}
