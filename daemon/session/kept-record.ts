// A sandbox's record as it is now and as it is on disk. Owns the order of its writes: an older state never replaces a newer one,
// and none comes back once the record is removed. What the fields mean is sandbox-record.ts's.

import type { SandboxRecord, SandboxRecords } from './sandbox-record.ts';

export class KeptRecord {
  readonly #records: SandboxRecords;
  #current: SandboxRecord;
  #isRemoved = false;
  /** The last write that was asked for; never rejects. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(records: SandboxRecords, record: SandboxRecord) {
    this.#records = records;
    this.#current = record;
  }

  get current(): SandboxRecord {
    return this.#current;
  }

  /** In memory; on disk with the next save. */
  note(changes: Partial<SandboxRecord>): void {
    this.#current = { ...this.#current, ...changes };
  }

  /** On disk when this resolves. */
  save(changes: Partial<SandboxRecord>): Promise<void> {
    this.note(changes);
    return this.#inTurn(async () => {
      if (!this.#isRemoved) await this.#records.save(this.#current);
    });
  }

  /** For good. */
  remove(): Promise<void> {
    this.#isRemoved = true;
    return this.#inTurn(() => this.#records.remove(this.#current.id));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(write);
    this.#writing = turn.catch(() => undefined);
    return turn;
  }
}
