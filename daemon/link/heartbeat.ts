// Asks init for a sign of life at intervals and says when there was none for too long.
// Owns the timer and the cookies; knows nothing of connections.

import type { Clock } from '../observe/clock.ts';
import { LinkViolation } from './frames.ts';

const PING_EVERY_MS = 10_000;
const SILENCE_LIMIT_MS = 30_000;
const MAX_WAITING = 64;

interface Waiting {
  readonly sentAtMs: number;
  readonly resolve: (ms: number) => void;
  readonly reject: (error: Error) => void;
}

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly sendPing: (cookie: number) => void;
  readonly onSilence: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** By cookie, oldest first: init answers in order. */
  readonly #waiting = new Map<number, Waiting | null>();
  #cookie = 0;
  #heardAtMs = 0;
  #cancel: (() => void) | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.stop('the connection was replaced');
    this.#heardAtMs = this.#options.clock.now();
    this.#schedule();
  }

  stop(reason: string): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const waiting of this.#waiting.values()) waiting?.reject(new Error(reason));
    this.#waiting.clear();
  }

  /** Silence counts no more, until start. Answers that are due may still come. */
  suspend(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Resolves to milliseconds of a round trip. */
  ping(): Promise<number> {
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(new Error('too many pings wait'));
    return new Promise((resolve, reject) => this.#send({ sentAtMs: this.#options.clock.now(), resolve, reject }));
  }

  pong(cookie: number): void {
    const oldest = this.#waiting.entries().next().value;
    if (oldest === undefined || oldest[0] !== cookie) throw new LinkViolation('a PONG that no PING asked for');
    this.#waiting.delete(cookie);
    this.#heardAtMs = this.#options.clock.now();
    oldest[1]?.resolve(this.#heardAtMs - oldest[1].sentAtMs);
  }

  #send(waiting: Waiting | null): void {
    this.#cookie += 1;
    this.#waiting.set(this.#cookie, waiting);
    this.#options.sendPing(this.#cookie);
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(PING_EVERY_MS, () => {
      if (this.#options.clock.now() - this.#heardAtMs >= SILENCE_LIMIT_MS) {
        this.#options.onSilence();
        return;
      }
      if (this.#waiting.size < MAX_WAITING) this.#send(null);
      this.#schedule();
    });
  }
}
