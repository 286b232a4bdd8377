// What is sent in one turn of the event loop goes as one write, so that whoever reads is woken once. Owns that and no bytes.

import type { Duplex } from 'node:stream';

export class OneWrite {
  readonly #stream: Pick<Duplex, 'cork' | 'uncork'> | null;
  #isOpen = false;

  /** null: everything goes as it is sent. */
  constructor(stream: Pick<Duplex, 'cork' | 'uncork'> | null) {
    this.#stream = stream;
  }

  /** Before something is sent. */
  begin(): void {
    const stream = this.#stream;
    if (stream === null || this.#isOpen) return;
    this.#isOpen = true;
    stream.cork();
    setImmediate(() => {
      this.#isOpen = false;
      stream.uncork();
    });
  }
}
