// One read under way: its bytes as they come and, at the end, what the file was.
// Owns the order of bytes before stat; knows nothing of who reads.

import type { FileStat } from '../../client/protocol/files.ts';

export class FileReader implements AsyncIterable<Uint8Array> {
  /** Settles when the iteration ends: with the stat, or with the error that the iteration throws, too. */
  readonly stat: Promise<FileStat>;
  readonly #bytes: AsyncGenerator<Uint8Array, FileStat, undefined>;
  #settle!: { resolve: (stat: FileStat) => void; reject: (error: unknown) => void };

  constructor(bytes: AsyncGenerator<Uint8Array, FileStat, undefined>) {
    this.#bytes = bytes;
    this.stat = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.stat.catch(() => undefined);
  }

  /** Once only. Leaving it early ends the read. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const next = await this.#bytes.next();
        if (next.done === true) {
          this.#settle.resolve(next.value);
          return;
        }
        yield next.value;
      }
    } catch (error) {
      this.#settle.reject(error);
      throw error;
    } finally {
      this.#settle.reject(new Error('the read was abandoned'));
      await this.#bytes.return(undefined as never);
    }
  }
}
