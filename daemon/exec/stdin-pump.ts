// Passes writes on to a command's stdin in order, as fast as the command reads, from one writer at a time.
// Owns the queue of one command and who may fill it; knows nothing of connections.

import { SandboxError } from '../../client/protocol/errors.ts';
import { Notifier } from './notifier.ts';

const MAX_QUEUED_WRITES = 256;

export interface StdinTarget {
  readonly room: () => number;
  readonly send: (bytes: Uint8Array, isEof: boolean) => void;
}

/** A writer's turn, over when another one takes it. */
export interface StdinTurn {
  /** Offset of the byte that is wanted next: what comes before it has been passed on. */
  readonly offset: Promise<number>;
  readonly signal: AbortSignal;
}

export class StdinPump {
  readonly #target: StdinTarget;
  readonly #changed = new Notifier();
  #isOver: boolean;
  #hasEof = false;
  #queued = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** null: an earlier daemon wrote, and how much of it arrived is not known yet. */
  #accepted: number | null = 0;
  #writer: string | null = null;
  #writing: AbortController | null = null;

  constructor(target: StdinTarget, isOpen: boolean) {
    this.#target = target;
    this.#isOver = !isOpen;
  }

  /** Who wrote last; null: nobody yet under this daemon. */
  get writer(): string | null {
    return this.#writer;
  }

  /** Ends the turn of whoever wrote before: a writer that comes back on another connection goes on where it stopped. */
  take(writer: string): StdinTurn {
    this.#writing?.abort();
    this.#writing = new AbortController();
    this.#writer = writer;
    return { offset: this.#whenKnown(), signal: this.#writing.signal };
  }

  /** The command is taken over from an earlier daemon: `arrived` will say how much it has. */
  forget(): void {
    this.#accepted = null;
  }

  /** So much has reached the command; it has room again. */
  arrived(offset: number): void {
    this.#accepted ??= offset;
    this.#changed.notify();
  }

  /** Resolves when all bytes are on their way; false: the command reads no more. The bytes must not be changed afterwards. */
  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isOver || this.#hasEof) return Promise.resolve(false);
    if (this.#queued >= MAX_QUEUED_WRITES)
      return Promise.reject(new SandboxError('QUOTA_EXCEEDED', 'Cannot write to stdin: too many writes wait for the command to read'));
    this.#queued += 1;
    this.#accepted = (this.#accepted ?? 0) + bytes.byteLength;
    const done = this.#turn
      .then(() => this.#pass(bytes))
      .finally(() => {
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

  /** The command reads no more. */
  end(): void {
    this.#isOver = true;
    this.#changed.notify();
  }

  async #whenKnown(): Promise<number> {
    while (this.#accepted === null && !this.#isOver) await this.#changed.wait();
    return this.#accepted ?? 0;
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
