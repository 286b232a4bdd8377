// Head and tail of one output stream as text, for a reader with a limited context.
// Owns the cut, which never splits a character, and says what it left out. Knows nothing of where bytes come from.

import { countCharacters, isContinuation } from './count-characters.ts';

export const DEFAULT_CHARACTERS = 40_000;
const MAX_UTF8_BYTES = 4;

export interface ModelOutputOptions {
  /** Characters kept, head and tail together. */
  readonly characters?: number | undefined;
  /** Characters of these at the head; default half. */
  readonly headCharacters?: number | undefined;
}

export class ModelOutput {
  readonly #headCharacters: number;
  readonly #tailCharacters: number;
  readonly #head: Buffer[] = [];
  #headLeft: number;
  /** The newest bytes after the head, as a ring; made when the head is full. */
  #ring: Buffer | null = null;
  readonly #ringBytes: number;
  /** After the head. */
  #tailBytes = 0;
  #tailCount = 0;
  /** Bytes that were gone before they came here. */
  #skippedBytes = 0;

  constructor(options: ModelOutputOptions = {}) {
    const characters = options.characters ?? DEFAULT_CHARACTERS;
    this.#headCharacters = Math.min(options.headCharacters ?? characters >> 1, characters);
    this.#tailCharacters = characters - this.#headCharacters;
    this.#headLeft = this.#headCharacters;
    this.#ringBytes = this.#tailCharacters * MAX_UTF8_BYTES;
  }

  /** Bytes that can't be had any more. */
  skip(bytes: number): void {
    this.#skippedBytes += bytes;
    this.#headLeft = 0;
  }

  /** Copies what it keeps. `isAscii`: every byte is known to be a character. */
  append(bytes: Buffer, isAscii = false): void {
    let rest = bytes;
    if (this.#tailBytes === 0) {
      const taken = this.#fillHead(bytes);
      if (taken === bytes.length) return;
      rest = bytes.subarray(taken);
    }
    this.#tailCount += isAscii ? rest.length : countCharacters(rest);
    this.#intoRing(rest);
  }

  /** The text as of now, and the bytes that are not in it. */
  read(): { readonly text: string; readonly droppedBytes: number } {
    const head = Buffer.concat(this.#head);
    const tail = this.#tail();
    if (this.#skippedBytes === 0 && this.#tailCount <= this.#tailCharacters) {
      // Nothing is left out; decoded as one, so that a character across the seam stays whole.
      return { text: Buffer.concat([head, tail]).toString('utf8'), droppedBytes: 0 };
    }
    const kept = lastCharacters(tail, this.#tailCharacters);
    const omitted = this.#tailCount - countCharacters(kept);
    const gone = this.#skippedBytes === 0 ? '' : ` and ${this.#skippedBytes} bytes that are no longer kept`;
    return {
      text: `${head.toString('utf8')}\n[... ${omitted} characters${gone} omitted ...]\n${kept.toString('utf8')}`,
      droppedBytes: this.#tailBytes - kept.length + this.#skippedBytes,
    };
  }

  /** Answers how many bytes it took. The head always ends at a character's end. */
  #fillHead(bytes: Buffer): number {
    let at = 0;
    if (this.#headLeft >= bytes.length) {
      at = bytes.length;
      this.#headLeft -= countCharacters(bytes);
    } else {
      for (; at < bytes.length; at += 1) {
        if (isContinuation(bytes[at] ?? 0)) continue;
        if (this.#headLeft === 0) break;
        this.#headLeft -= 1;
      }
    }
    if (at > 0) this.#head.push(Buffer.from(bytes.subarray(0, at)));
    if (this.#head.length > 64) this.#head.splice(0, this.#head.length, Buffer.concat(this.#head));
    return at;
  }

  #intoRing(bytes: Buffer): void {
    if (this.#ringBytes > 0) {
      this.#ring ??= Buffer.allocUnsafeSlow(this.#ringBytes);
      const kept = bytes.subarray(Math.max(0, bytes.length - this.#ringBytes));
      const at = (this.#tailBytes + bytes.length - kept.length) % this.#ringBytes;
      const first = Math.min(kept.length, this.#ringBytes - at);
      kept.copy(this.#ring, at, 0, first);
      kept.copy(this.#ring, 0, first);
    }
    this.#tailBytes += bytes.length;
  }

  /** What the ring holds, oldest first. */
  #tail(): Buffer {
    if (this.#ring === null) return Buffer.alloc(0);
    if (this.#tailBytes <= this.#ringBytes) return this.#ring.subarray(0, this.#tailBytes);
    const at = this.#tailBytes % this.#ringBytes;
    return Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}

/** The end of `bytes` that holds at most `characters` whole ones. */
function lastCharacters(bytes: Buffer, characters: number): Buffer {
  let left = characters;
  let from = bytes.length;
  for (let at = bytes.length - 1; at >= 0 && left > 0; at -= 1) {
    if (isContinuation(bytes[at] ?? 0)) continue;
    from = at;
    left -= 1;
  }
  return bytes.subarray(from);
}
