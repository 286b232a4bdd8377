// What one tenant may have under way here at once: calls, and bytes of requests that are kept until they are whole.

import { SandboxError } from '../../client/protocol/errors.ts';

/** Streams included. */
const MAX_CALLS = 500;
const MAX_BYTES = 64 * 1024 * 1024;

export class Room {
  #calls = 0;
  #bytes = 0;

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#calls >= MAX_CALLS)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot take this call: ${MAX_CALLS} of the tenant are under way`);
    this.#calls += 1;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
    }
  }

  /** The parts as they come; what has come counts until the reader is done with them all. */
  async *keep(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    let own = 0;
    try {
      for await (const part of source) {
        own += part.byteLength;
        this.#bytes += part.byteLength;
        if (this.#bytes > MAX_BYTES)
          throw new SandboxError('QUOTA_EXCEEDED', `Cannot read the request: ${MAX_BYTES} bytes of the tenant's requests are under way`);
        yield part;
      }
    } finally {
      this.#bytes -= own;
    }
  }
}
