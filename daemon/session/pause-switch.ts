// Whether a sandbox stands still. Owns the order of pausing and resuming: one at a time, whoever asks, and a call that
// needs the sandbox waits until it runs.

export interface Pausable {
  pause(): Promise<void>;
  resume(): Promise<void>;
}

export class PauseSwitch {
  readonly #sandbox: Pausable;
  #isPaused = false;
  /** Steps asked for and not yet done; as many as calls in flight. */
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(sandbox: Pausable) {
    this.#sandbox = sandbox;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** It runs, and nobody is about to change that: a call needs not wait. */
  get isRunning(): boolean {
    return !this.#isPaused && this.#waiting === 0;
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isPaused) return;
      await this.#sandbox.pause();
      this.#isPaused = true;
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isPaused) return;
      await this.#sandbox.resume();
      this.#isPaused = false;
    });
  }

  async #inTurn(step: () => Promise<void>): Promise<void> {
    this.#waiting += 1;
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => undefined);
    try {
      await done;
    } finally {
      this.#waiting -= 1;
    }
  }
}
