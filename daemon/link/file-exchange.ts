// One file request on the link: bytes with credit in either direction and exactly one end.
// Owns its windows and its queue; knows nothing of paths, verbs or errors of files.

import { SandboxError } from '../../client/protocol/errors.ts';
import { encodeU64 } from './encode.ts';
import type { FrameSender } from './frame-sender.ts';
import { DOWN, FILE_WINDOW_BYTES, FLAG, LinkViolation, MAX_DATA, encodeFrame } from './frames.ts';
import type { FileEnd } from './messages.ts';

const CREDIT_STEP_BYTES = 256 * 1024;
/** Bytes that go with their request as one message: copying them costs less than waking init twice. */
const JOINED_BYTES = 16 * 1024;

export class FileExchange implements AsyncIterable<Buffer> {
  /** How it ended. SANDBOX_FAILED if the link broke before. */
  readonly end: Promise<FileEnd>;
  readonly #id: number;
  readonly #sender: FrameSender;
  readonly #onRelease: () => void;
  #settle!: { resolve: (end: FileEnd) => void; reject: (error: SandboxError) => void };
  readonly #queue: Buffer[] = [];
  #received = 0;
  #consumed = 0;
  #credited = 0;
  #sent = 0;
  #taken = 0;
  #isFinished = false;
  #isCancelled = false;
  #isOver = false;
  /** The request while it waits for its first bytes. */
  #opening: Buffer | null;
  #wake: (() => void) | null = null;

  /** `opening`: the request's frame; it goes with the first bytes, or by `begin`. */
  constructor(id: number, sender: FrameSender, opening: Buffer, onRelease: () => void) {
    this.#id = id;
    this.#opening = opening;
    this.#sender = sender;
    this.#onRelease = onRelease;
    this.end = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.end.catch(() => undefined);
  }

  /** Sends the request, unless it went with bytes already. */
  begin(): void {
    const opening = this.#opening;
    this.#opening = null;
    if (opening !== null && !this.#isOver) this.#sender.send(opening);
  }

  /** From the link: bytes of a read or list. */
  receive(bytes: Buffer): void {
    this.#received += bytes.length;
    if (this.#received > this.#credited + FILE_WINDOW_BYTES) throw new LinkViolation(`file request ${this.#id}: data beyond its window`);
    if (this.#isCancelled) return;
    this.#queue.push(bytes);
    this.#notify();
  }

  /** From the link: bytes of a write that are in the file. */
  credit(offset: number): void {
    if (offset <= this.#taken || offset > this.#sent)
      throw new LinkViolation(`file request ${this.#id}: credit ${offset} where up to ${this.#sent} can be`);
    this.#taken = offset;
    this.#notify();
  }

  /** From the link. */
  ended(end: FileEnd): void {
    this.#over();
    this.#settle.resolve(end);
  }

  /** From the link: no end will come. */
  lost(reason: string): void {
    this.#over();
    this.#settle.reject(new SandboxError('SANDBOX_FAILED', `Cannot go on with the file request: ${reason}`, { retry: 'later' }));
  }

  /** Passes bytes on as the window allows; false: init has ended the request, `end` says why. `isLast`: none follow. */
  async write(bytes: Uint8Array, isLast = false): Promise<boolean> {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#isOver || this.#isCancelled) return false;
      const room = Math.min(FILE_WINDOW_BYTES - (this.#sent - this.#taken), MAX_DATA, bytes.byteLength - at);
      if (room === 0) {
        await this.#changed();
        continue;
      }
      const from = at;
      at += room;
      this.#sent += room;
      this.#isFinished = isLast && at === bytes.byteLength;
      this.#send(bytes.subarray(from, at), this.#isFinished ? FLAG.eof : 0);
    }
    return !this.#isOver;
  }

  /** All bytes of a write have been passed on. */
  finish(): void {
    if (this.#isOver || this.#isCancelled || this.#isFinished) return;
    this.#isFinished = true;
    this.#send(new Uint8Array(0), FLAG.eof);
  }

  /** A write leaves no trace; `end` then says ECANCELED, or done if it was too late. */
  cancel(): void {
    if (this.#isOver || this.#isCancelled) return;
    this.#isCancelled = true;
    this.#queue.length = 0;
    this.begin();
    this.#sender.send(encodeFrame(DOWN.fileCancel, 0, this.#id));
    this.#notify();
  }

  /** Bytes as they come, until the end; leaving early cancels. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const next = this.#queue.shift();
        if (next !== undefined) {
          yield next;
          this.#consume(next.length);
        } else if (this.#isOver || this.#isCancelled) return;
        else await this.#changed();
      }
    } finally {
      this.cancel();
    }
  }

  #send(bytes: Uint8Array, flags: number): void {
    if (this.#opening !== null && bytes.byteLength <= JOINED_BYTES)
      this.#opening = Buffer.concat([this.#opening, encodeFrame(DOWN.fileData, flags, this.#id, bytes)]);
    else {
      this.begin();
      this.#sender.sendData(DOWN.fileData, flags, this.#id, bytes);
    }
    this.begin();
  }

  #consume(bytes: number): void {
    this.#consumed += bytes;
    if (this.#isOver || this.#isCancelled || this.#consumed - this.#credited < CREDIT_STEP_BYTES) return;
    this.#credited = this.#consumed;
    this.#sender.send(encodeU64(DOWN.fileCredit, 0, this.#id, this.#credited));
  }

  #over(): void {
    this.#isOver = true;
    this.#notify();
    this.#onRelease();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
