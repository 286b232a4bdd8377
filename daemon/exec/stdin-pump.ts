// Passes a client's writes on to a command's stdin in order, as fast as the command reads.
// Owns the queue of one command; knows nothing of clients.

import { SandboxError } from '../../client/protocol/errors.ts';
import { Notifier } from './notifier.ts';

const MAX_QUEUED_WRITES = 256;

export interface StdinTarget {
  readonly room: () => number;
  readonly send: (bytes: Uint8Array, isEof: boolean) => void;
}

export class StdinPump {
  readonly #target: StdinTarget;
  readonly #changed = new Notifier();
  #isOver: boolean;
  #hasEof = false;
  #queued = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(target: StdinTarget, isOpen: boolean) {
    this.#target = target;
    this.#isOver = !isOpen;
  }

  /** Resolves when all bytes are on their way; false: the command reads no more. The bytes must not be changed afterwards. */
  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isOver || this.#hasEof) return Promise.resolve(false);
    if (this.#queued >= MAX_QUEUED_WRITES) return Promise.reject(new SandboxError('QUOTA_EXCEEDED', 'Cannot write to stdin: too many writes wait for the command to read'));
    this.#queued += 1;
    const done = this.#turn.then(() => this.#pass(bytes)).finally(() => {
      this.#queued -= 1;
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** End of file after what has been written. */
  close(): void {
    if (this.#isOver || this.#hasEof) return;
    this.#hasEof = true;
    this.#turn = this.#turn.then(() => {
      if (!this.#isOver) this.#target.send(new Uint8Array(0), true);
    });
  }

  /** There may be room again. */
  wake(): void {
    this.#changed.notify();
  }

  /** The command reads no more. */
  end(): void {
    this.#isOver = true;
    this.#changed.notify();
  }

  async #pass(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#isOver) return false;
      const room = Math.min(this.#target.room(), bytes.byteLength - at);
      if (room === 0) await this.#changed.wait();
      else {
        this.#target.send(bytes.subarray(at, at + room), false);
        at += room;
      }
    }
    return !this.#isOver;
  }
}
