// Wakes everyone who waits for "something has changed". Owns one promise at a time, made only when somebody waits.

export class Notifier {
  #promise: Promise<void> | null = null;
  #resolve: (() => void) | null = null;

  /** Resolves at the next notify. */
  wait(): Promise<void> {
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#promise;
  }

  notify(): void {
    const resolve = this.#resolve;
    this.#promise = null;
    this.#resolve = null;
    resolve?.();
  }
}
