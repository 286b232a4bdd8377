// The body of a proxy request: takes exactly its bytes off the stream, de-chunked, and no byte of what follows.
// Pure over hostile bytes; whoever reads the socket feeds it.

import type { RequestHead } from './request-head.ts';

export type BodyStep =
  | { readonly kind: 'data'; readonly data: Buffer; readonly used: number }
  /** Nothing more can be said with these bytes. */
  | { readonly kind: 'more' }
  | { readonly kind: 'end'; readonly used: number }
  | { readonly kind: 'malformed' };

const MAX_SIZE_LINE = 18;

export class BodyReader {
  readonly #isChunked: boolean;
  /** Bytes left of the body, or of the chunk. */
  #left: number;
  #state: 'size' | 'data' | 'dataEnd' | 'trailer';

  constructor(body: RequestHead['body']) {
    this.#isChunked = body.kind === 'chunked';
    this.#left = body.kind === 'length' ? body.bytes : 0;
    this.#state = this.#isChunked ? 'size' : 'data';
  }

  step(bytes: Buffer): BodyStep {
    if (!this.#isChunked && this.#left === 0) return { kind: 'end', used: 0 };
    if (this.#state === 'data') {
      if (bytes.length === 0) return { kind: 'more' };
      const data = bytes.subarray(0, this.#left);
      this.#left -= data.length;
      if (this.#isChunked && this.#left === 0) this.#state = 'dataEnd';
      return { kind: 'data', data, used: data.length };
    }
    if (this.#state === 'size') return this.#size(bytes);
    // Both are an empty line: after a chunk, and in place of trailer fields, which nobody may add.
    if (bytes.length < 2) return bytes.length === 1 && bytes[0] !== 0x0d ? { kind: 'malformed' } : { kind: 'more' };
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) return { kind: 'malformed' };
    if (this.#state === 'trailer') return { kind: 'end', used: 2 };
    this.#state = 'size';
    return { kind: 'data', data: Buffer.alloc(0), used: 2 };
  }

  #size(bytes: Buffer): BodyStep {
    const end = bytes.indexOf('\r\n');
    if (end === -1) return bytes.length > MAX_SIZE_LINE ? { kind: 'malformed' } : { kind: 'more' };
    const text = bytes.toString('latin1', 0, end);
    // Chunk extensions are read differently by different servers and are used by nobody.
    if (!/^[0-9A-Fa-f]{1,12}$/.test(text)) return { kind: 'malformed' };
    this.#left = Number.parseInt(text, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'data';
    return { kind: 'data', data: Buffer.alloc(0), used: end + 2 };
  }
}
