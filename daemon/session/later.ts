// A piece of work that may wait for a calmer moment, and is done at once for whoever needs it done. Runs it once.

import type { Clock } from '../observe/clock.ts';

export class Later {
  readonly #work: () => Promise<void>;
  readonly #cancel: () => void;
  #done: Promise<void> | null = null;

  /** `work` must not reject. */
  constructor(clock: Clock, afterMs: number, work: () => Promise<void>) {
    this.#work = work;
    this.#cancel = clock.after(afterMs, () => void this.done());
  }

  done(): Promise<void> {
    this.#cancel();
    this.#done ??= this.#work();
    return this.#done;
  }
}
