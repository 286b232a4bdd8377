// Chunks of a command's output as callers see them, and the decoding of text that is split anywhere. Pure.

import type { Piece } from './inbound-stream.ts';

/** A part of a command's output. */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  /** As the command wrote them; may be empty. */
  readonly bytes: Uint8Array;
  /** The same as UTF-8; a character split between chunks appears whole in the later one. */
  readonly text: string;
  /** Of the first byte in the combined output of stdout and stderr. */
  readonly offset: number;
  /** Bytes of the combined output before this chunk that the daemon no longer had; 0 unless a reader came late. */
  readonly droppedBytes: number;
}

const NOTHING = new Uint8Array(0);

/** Text is decoded when asked for; only the cut between characters is found at once. */
class Chunk implements OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly droppedBytes: number;
  readonly #before: Uint8Array;
  readonly #heldBack: number;

  constructor(stream: 'stdout' | 'stderr', piece: Piece, before: Uint8Array, heldBack: number) {
    this.stream = stream;
    this.bytes = piece.bytes;
    this.offset = piece.offset;
    this.droppedBytes = piece.droppedBytes;
    this.#before = before;
    this.#heldBack = heldBack;
  }

  get text(): string {
    const all = this.#before.byteLength === 0 ? this.bytes : Buffer.concat([this.#before, this.bytes]);
    return Buffer.from(all.buffer, all.byteOffset, all.byteLength - this.#heldBack).toString('utf8');
  }
}

/** Turns the pieces of one execution into chunks; one per execution, in order. */
export class ChunkReader {
  #stdout = NOTHING;
  #stderr = NOTHING;

  read(piece: Piece): OutputChunk {
    const before = piece.isStderr ? this.#stderr : this.#stdout;
    // Three bytes are enough to see every cut character.
    const seen = piece.bytes.byteLength >= 3 || before.byteLength === 0 ? piece.bytes : Buffer.concat([before, piece.bytes]);
    const heldBack = cutLength(seen);
    const rest = heldBack === 0 ? NOTHING : seen.slice(seen.byteLength - heldBack);
    if (piece.isStderr) this.#stderr = rest;
    else this.#stdout = rest;
    return new Chunk(piece.isStderr ? 'stderr' : 'stdout', piece, before, heldBack);
  }

  /** At the end: what was held back as the beginning of a character that never came. */
  finish(offset: number): OutputChunk[] {
    const piece = { bytes: NOTHING, isStderr: false, offset, droppedBytes: 0 };
    const last: OutputChunk[] = [];
    if (this.#stdout.byteLength > 0) last.push(new Chunk('stdout', piece, this.#stdout, 0));
    if (this.#stderr.byteLength > 0) last.push(new Chunk('stderr', piece, this.#stderr, 0));
    return last;
  }
}

/** Bytes at the end that begin a UTF-8 sequence and don't finish it: 0 to 3. */
function cutLength(bytes: Uint8Array): number {
  const length = bytes.byteLength;
  for (let back = 1; back <= 3 && back <= length; back += 1) {
    const byte = bytes[length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return sequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

function sequenceLength(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
