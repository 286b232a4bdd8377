// Takes values that a server sends back out of its answer, byte for byte, so that lengths stay true. Finds them across
// pieces; not where they are compressed or written in another way. Owns what is held back between pieces, and no more.

const STAR = 0x2a;

export class EchoFilter {
  readonly #values: readonly Buffer[];
  readonly #longest: number;
  /** Less than the longest value: what may be the beginning of one. */
  #held: Buffer = Buffer.alloc(0);

  /** Values as latin1. */
  constructor(values: readonly string[]) {
    this.#values = values.map((value) => Buffer.from(value, 'latin1')).sort((a, b) => b.length - a.length);
    this.#longest = this.#values[0]?.length ?? 0;
  }

  /** What may be passed on of this piece and those before it. */
  push(piece: Buffer): Buffer {
    if (this.#longest === 0) return piece;
    const bytes = this.#blank(Buffer.concat([this.#held, piece]));
    const keep = this.#openEnd(bytes);
    this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
    return bytes.subarray(0, bytes.length - keep);
  }

  /** What was held back. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest;
  }

  /** `bytes` is our own copy. */
  #blank(bytes: Buffer): Buffer {
    for (const value of this.#values)
      for (let at = bytes.indexOf(value); at !== -1; at = bytes.indexOf(value, at + value.length)) bytes.fill(STAR, at, at + value.length);
    return bytes;
  }

  /** How many bytes at the end may be the beginning of a value. */
  #openEnd(bytes: Buffer): number {
    for (let length = Math.min(this.#longest - 1, bytes.length); length > 0; length -= 1) {
      const tail = bytes.subarray(bytes.length - length);
      if (this.#values.some((value) => value.length > length && value.subarray(0, length).equals(tail))) return length;
    }
    return 0;
  }
}

/** Of one header field. */
export const withoutValues = (text: string, values: readonly string[]): string =>
  [...values].sort((a, b) => b.length - a.length).reduce((clean, value) => clean.replaceAll(value, '*'.repeat(value.length)), text);
