// How far a command may run ahead: init gets credit for what is durable, but not further than a reader that must not
// miss anything can still catch up from the spool. So a slow reader stops its own command and nothing else.

/** Bytes a holding reader may lie behind. With the window of init on top of it that is what stays in memory: it reads no file. */
const HOLD_BYTES = 512 * 1024;
/** Credit is given in steps of this size: each wakes init. Far less than the window of init, so that a step never stops it. */
const STEP_BYTES = 128 * 1024;

export class CreditGate {
  readonly #give: (offset: number) => void;
  /** Reader -> offset it has reached. One reader per client, so few. */
  readonly #holders = new Map<string, number>();
  #durable = 0;
  #given = 0;

  constructor(give: (offset: number) => void) {
    this.#give = give;
  }

  /** All output before `offset` is in the spool. */
  durable(offset: number): void {
    this.#durable = offset;
    this.#update();
  }

  /** The reader has everything before `offset`; the first call makes it hold the command back. */
  reached(reader: string, offset: number): void {
    this.#holders.set(reader, offset);
    this.#update();
  }

  /** The reader holds nothing back any more. */
  release(reader: string): void {
    if (this.#holders.delete(reader)) this.#update();
  }

  #update(): void {
    let slowest = Infinity;
    for (const offset of this.#holders.values()) if (offset < slowest) slowest = offset;
    const limit = Math.min(this.#durable, slowest + HOLD_BYTES);
    if (limit < this.#given + STEP_BYTES) return;
    this.#given = limit;
    this.#give(limit);
  }
}
