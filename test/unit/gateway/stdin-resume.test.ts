// Both ends of a client's stream together: whatever connection dies when, the client never breaks the daemon's rules and
// every byte comes once, in order.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutboundStream } from '../../../client/outbound-stream.ts';
import { decodeFrame, encodeFrame, FRAME_KIND, type BinaryFrame } from '../../../client/protocol/frames.ts';
import { IncomingStream } from '../../../daemon/gateway/incoming-stream.ts';
import { settled } from '../../support/fake-clock.ts';

/** What init may hold of stdin: a daemon that dies with it has told the client of room for it already. */
const INIT_WINDOW = 64 * 1024;
const BLOCK = 4096;

type Step =
  | { readonly write: number }
  | { readonly toDaemon: number }
  | { readonly toClient: number }
  | { readonly read: number }
  | { readonly begin: true }
  | { readonly cut: 'connection' | 'daemon' };

interface Reading {
  isDone: boolean;
  chunk: Uint8Array | null;
}

/** A client, a daemon and the wires between them, moved one step at a time. */
class World {
  readonly #text: Buffer;
  readonly #client = new OutboundStream(true, (flags, offset, payload) =>
    this.#up.push(decodeFrame(encodeFrame(FRAME_KIND.data, flags, 1, offset, payload))!),
  );
  #written = 0;
  #up: BinaryFrame[] = [];
  #down: BinaryFrame[] = [];
  #daemon = this.#newStream();
  #reader: AsyncIterator<Uint8Array> | null = null;
  #reading: Reading | null = null;
  readonly taken: Uint8Array[] = [];
  #accepted = 0;
  /** What init surely has: nothing that reached it under an earlier daemon is lost with a later one. */
  #arrived = 0;

  constructor(bytes: number) {
    this.#text = Buffer.alloc(bytes);
    for (let at = 0; at + 4 <= bytes; at += 4) this.#text.writeUInt32LE(at, at);
    this.#client.opened();
  }

  async do(step: Step): Promise<void> {
    if ('write' in step) this.#write(step.write);
    else if ('toDaemon' in step) this.#deliver(step.toDaemon);
    else if ('toClient' in step) for (const frame of this.#down.splice(0, step.toClient)) this.#client.grant(frame.offset);
    else if ('begin' in step) this.#begin();
    else if ('cut' in step) this.#cut(step.cut);
    else await this.#read(step.read);
  }

  /** Lets everything arrive. */
  async finish(): Promise<void> {
    this.#write(Infinity);
    this.#client.end();
    for (let idle = 0; idle < 2 && this.#accepted < this.#text.length; ) {
      const before = this.#accepted;
      this.#deliver(Infinity);
      this.#begin();
      await this.#read(Infinity);
      for (const frame of this.#down.splice(0)) this.#client.grant(frame.offset);
      idle = this.#accepted === before ? idle + 1 : 0;
    }
    expect(this.#accepted).toBe(this.#text.length);
    expect(Buffer.concat(this.taken).equals(this.#text)).toBe(true);
  }

  #write(bytes: number): void {
    const part = this.#text.subarray(this.#written, this.#written + bytes);
    this.#written += part.byteLength;
    void this.#client.write(part);
  }

  #deliver(frames: number): void {
    for (const frame of this.#up.splice(0, frames)) expect(this.#daemon.accept(frame), `data at ${frame.offset}`).toBe(true);
  }

  #begin(): void {
    this.#daemon.beginAt(this.#accepted);
    this.#reader ??= this.#daemon[Symbol.asyncIterator]();
  }

  async #read(chunks: number): Promise<void> {
    for (let n = 0; n < chunks && this.#reader !== null; n += 1) {
      this.#reading ??= this.#ask(this.#reader);
      await settled();
      if (!this.#reading.isDone) return;
      const { chunk } = this.#reading;
      this.#reading = null;
      if (chunk === null) return;
      this.taken.push(chunk);
      this.#accepted += chunk.byteLength;
    }
  }

  #ask(reader: AsyncIterator<Uint8Array>): Reading {
    const reading: Reading = { isDone: false, chunk: null };
    void reader.next().then(
      ({ value, done }) => {
        reading.isDone = true;
        if (done !== true) reading.chunk = value;
      },
      () => undefined,
    );
    return reading;
  }

  #cut(who: 'connection' | 'daemon'): void {
    this.#up = [];
    this.#down = [];
    this.#reader = null;
    this.#reading = null;
    this.#daemon = this.#newStream();
    if (who === 'daemon') this.#forget();
    this.#client.opened();
  }

  /** What lay between daemon and init never arrived. */
  #forget(): void {
    const kept = Buffer.concat(this.taken);
    this.#accepted -= Math.min(INIT_WINDOW, this.#accepted - this.#arrived);
    this.#arrived = this.#accepted;
    this.taken.splice(0, Infinity, kept.subarray(0, this.#accepted));
  }

  #newStream(): IncomingStream {
    return new IncomingStream(1, { sendFrame: (frame) => void this.#down.push(decodeFrame(frame)!) }, null);
  }
}

test('a stream whose connection dies at any moment arrives whole, and never breaks its credit', async () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 512 * 1024 }) }) },
    { weight: 4, arbitrary: fc.record({ toDaemon: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 4, arbitrary: fc.record({ toClient: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 4, arbitrary: fc.record({ read: fc.integer({ min: 1, max: 20 }) }) },
    { weight: 3, arbitrary: fc.record({ begin: fc.constant(true as const) }) },
    { weight: 2, arbitrary: fc.record({ cut: fc.constantFrom('connection' as const, 'daemon' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1024 }), fc.array(step, { minLength: 20, maxLength: 120 }), async (blocks, steps) => {
      const world = new World(blocks * BLOCK);
      for (const next of steps) await world.do(next);
      await world.finish();
    }),
    { numRuns: 150 },
  );
});
