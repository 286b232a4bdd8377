// A bounded number of slots and a bounded queue for them, first come first served.
// Owns the count; knows nothing of what is done in a slot.

import { SandboxError } from '../../client/protocol/errors.ts';

interface Waiting {
  readonly resolve: () => void;
}

export class Slots {
  readonly #max: number;
  readonly #maxWaiting: number;
  readonly #what: string;
  #taken = 0;
  readonly #waiting: Waiting[] = [];

  /** `what` is a plural, for messages. */
  constructor(max: number, maxWaiting: number, what: string) {
    this.#max = max;
    this.#maxWaiting = maxWaiting;
    this.#what = what;
  }

  /** QUOTA_EXCEEDED when too many wait. Each take that resolves needs one release. */
  async take(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#taken < this.#max) {
      this.#taken += 1;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot serve more ${this.#what}: ${this.#max} are under way and ${this.#maxWaiting} wait`);
    }
    await new Promise<void>((resolve, reject) => {
      const waiting = { resolve };
      this.#waiting.push(waiting);
      signal?.addEventListener(
        'abort',
        () => {
          const at = this.#waiting.indexOf(waiting);
          if (at < 0) return;
          this.#waiting.splice(at, 1);
          reject(signal.reason);
        },
        { once: true },
      );
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next.resolve();
  }
}
