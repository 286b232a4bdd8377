// How many characters UTF-8 bytes hold, fast enough for every byte that a command prints.
// Counts bytes that begin a character; bytes that are no UTF-8 count as one each or none.

/** Words counted at once: a lane of the sum holds at most 255. A multiple of the four that are checked at once. */
const BLOCK_WORDS = 252;

/** True for a byte that begins no character. */
export const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

export function countCharacters(bytes: Uint8Array): number {
  if (bytes.length < 16) return bytes.length - countSlowly(bytes, 0, bytes.length);
  const misaligned = (4 - (bytes.byteOffset % 4)) % 4;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + misaligned, (bytes.length - misaligned) >> 2);
  let continuations = countSlowly(bytes, 0, misaligned);
  let from = 0;
  for (; from + BLOCK_WORDS <= words.length; from += BLOCK_WORDS)
    if (!isAsciiBlock(words, from)) continuations += countBlock(words, from, from + BLOCK_WORDS);
  continuations += countBlock(words, from, words.length);
  continuations += countSlowly(bytes, misaligned + words.length * 4, bytes.length);
  return bytes.length - continuations;
}

/** Most of what commands print is ASCII, and that is cheaper to see than to count. */
function isAsciiBlock(words: Uint32Array, from: number): boolean {
  let seen = 0;
  for (let at = from; at < from + BLOCK_WORDS; at += 4)
    seen |= (words[at] as number) | (words[at + 1] as number) | (words[at + 2] as number) | (words[at + 3] as number);
  return (seen & 0x8080_8080) === 0;
}

/** At most BLOCK_WORDS. */
function countBlock(words: Uint32Array, from: number, to: number): number {
  let lanes = 0;
  for (let at = from; at < to; at += 1) {
    const word = words[at] as number;
    lanes += (word >>> 7) & ~(word >>> 6) & 0x0101_0101;
  }
  return (lanes & 0xff) + ((lanes >>> 8) & 0xff) + ((lanes >>> 16) & 0xff) + ((lanes >>> 24) & 0xff);
}

function countSlowly(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += 1) if (isContinuation(bytes[at] ?? 0)) count += 1;
  return count;
}
