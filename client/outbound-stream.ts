// The sending end of one stream: bytes in order as the receiver grants credit, with the last of them kept for a resume.
// Knows nothing of sockets or of what the bytes mean.

import { ClientError } from './errors.ts';
import { FLAG_EOF, INITIAL_WINDOW, REPEATED_BYTES } from './protocol/index.ts';

/** With both headers a frame of this is what Node reads from a socket at once: it is not put together from two reads. */
const MAX_FRAME_PAYLOAD = 65_536 - 32;
/** Bytes that may wait for credit. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

interface Waiting {
  bytes: Uint8Array;
  readonly done: (() => void) | undefined;
}

export class OutboundStream {
  readonly #sendData: (flags: number, offset: number, payload: Uint8Array) => void;
  readonly #isResumable: boolean;
  #waiting: Waiting[] = [];
  #queuedBytes = 0;
  #retained: Uint8Array[] = [];
  #retainedBytes = 0;
  #sent = 0;
  #limit = 0;
  #isOpen = false;
  #isEnded = false;
  #isEofSent = false;
  #isClosed = false;

  /** `isResumable`: keeps a copy of what may not have arrived, for a second opening. */
  constructor(isResumable: boolean, sendData: (flags: number, offset: number, payload: Uint8Array) => void) {
    this.#isResumable = isResumable;
    this.#sendData = sendData;
  }

  get isWritable(): boolean {
    return !this.#isEnded && !this.#isClosed;
  }

  get isEofSent(): boolean {
    return this.#isEofSent;
  }

  /** The opening request was written: the first window may go. On a resume, what may not have arrived goes again, and no more. */
  opened(): void {
    const known = this.#sent;
    if (this.#isOpen) {
      this.#waiting.unshift(...this.#retained.map((bytes) => ({ bytes, done: undefined })));
      this.#queuedBytes += this.#retainedBytes;
      this.#sent -= this.#retainedBytes;
      this.#retained = [];
      this.#retainedBytes = 0;
      this.#isEofSent = false;
    }
    this.#isOpen = true;
    // What was granted before is of a connection that is gone: a receiver that has taken nothing since could not hold it.
    this.#limit = Math.max(known, this.#sent + INITIAL_WINDOW);
    this.#flush();
  }

  /** Resolves when the bytes have been sent or nobody wants them any more; rejects if too many are waiting. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed || bytes.byteLength === 0) return Promise.resolve();
    if (this.#queuedBytes > MAX_QUEUED_BYTES) {
      return Promise.reject(new ClientError('QUEUE_FULL', `Cannot write to the stream: ${this.#queuedBytes} bytes are waiting`));
    }
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, done: resolve });
      this.#queuedBytes += bytes.byteLength;
      this.#flush();
    });
  }

  end(): void {
    this.#isEnded = true;
    this.#flush();
  }

  grant(offset: number): void {
    if (offset <= this.#limit) return;
    this.#limit = offset;
    this.#flush();
  }

  /** The receiver wants no more: what waits is dropped. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#retained = [];
    this.#queuedBytes = 0;
    for (const { done } of waiting) done?.();
  }

  #flush(): void {
    while (!this.#isClosed && this.#isOpen) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      const size = Math.min(next.bytes.byteLength, MAX_FRAME_PAYLOAD, this.#limit - this.#sent);
      if (size <= 0) return;
      const isWhole = size === next.bytes.byteLength;
      const payload = isWhole ? next.bytes : next.bytes.subarray(0, size);
      if (isWhole) this.#waiting.shift();
      else next.bytes = next.bytes.subarray(size);
      this.#send(payload, isWhole && this.#isEnded && this.#waiting.length === 0);
      if (isWhole) next.done?.();
    }
    if (this.#isOpen && !this.#isClosed && this.#isEnded && !this.#isEofSent) this.#send(new Uint8Array(0), true);
  }

  #send(payload: Uint8Array, isLast: boolean): void {
    const offset = this.#sent;
    this.#sent += payload.byteLength;
    this.#queuedBytes -= payload.byteLength;
    this.#isEofSent = isLast;
    this.#retain(payload);
    this.#sendData(isLast ? FLAG_EOF : 0, offset, payload);
  }

  #retain(payload: Uint8Array): void {
    if (!this.#isResumable || payload.byteLength === 0) return;
    this.#retained.push(new Uint8Array(payload));
    this.#retainedBytes += payload.byteLength;
    for (let oldest = this.#retained[0]; oldest !== undefined && this.#retainedBytes > REPEATED_BYTES; oldest = this.#retained[0]) {
      const excess = Math.min(this.#retainedBytes - REPEATED_BYTES, oldest.byteLength);
      if (excess === oldest.byteLength) this.#retained.shift();
      else this.#retained[0] = oldest.subarray(excess);
      this.#retainedBytes -= excess;
    }
  }
}
