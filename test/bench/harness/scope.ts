// What has to be undone at the end of a run, in reverse, whatever happened. Owns the list and nothing on it.

export class Scope {
  readonly #undo: (() => Promise<unknown> | void)[] = [];

  defer(undo: () => Promise<unknown> | void): void {
    this.#undo.push(undo);
  }

  /** Undoes everything, also what comes after a step that fails; answers the failures. */
  async close(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}
