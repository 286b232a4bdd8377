// Notices a connection that has gone silent. Knows nothing of what is said on it.

const MISSED_HEARTBEATS = 3;

export class Watchdog {
  readonly #timer: NodeJS.Timeout;
  #missed = 0;

  /** Calls onSilence once when nothing was heard for three heartbeats. */
  constructor(heartbeatMs: number, onSilence: () => void) {
    this.#timer = setInterval(
      () => {
        this.#missed += 1;
        if (this.#missed < MISSED_HEARTBEATS) return;
        this.stop();
        onSilence();
      },
      Math.max(1, heartbeatMs),
    );
    this.#timer.unref();
  }

  heard(): void {
    this.#missed = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
