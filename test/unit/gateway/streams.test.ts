// Bytes both ways: never beyond credit, never out of order, nothing lost and nothing twice; and frames survive the wire.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  FLAG_EOF,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  INITIAL_WINDOW,
  MAX_PAYLOAD_BYTES,
  type BinaryFrame,
} from '../../../client/protocol/frames.ts';
import { CreditGate } from '../../../daemon/exec/credit-gate.ts';
import { IncomingStream } from '../../../daemon/gateway/incoming-stream.ts';
import { OutgoingStream } from '../../../daemon/gateway/outgoing-stream.ts';
import { settled } from '../../support/fake-clock.ts';

const MIB = 1024 * 1024;
const recorder = () => {
  const frames: BinaryFrame[] = [];
  return { frames, sendFrame: (frame: Uint8Array) => void frames.push(decodeFrame(frame)!) };
};
const data = (offset: number, payload: Uint8Array | string = '', flags = 0): BinaryFrame => ({
  kind: FRAME_KIND.data,
  flags,
  stream: 1,
  offset,
  payload: Buffer.from(payload),
});
const pattern = (from: number, bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, (_, n) => (from + n) % 251));

describe('frames', () => {
  const offset = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());

  test('come back as they were sent', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 0xffff_ffff }),
        offset,
        fc.uint8Array({ maxLength: 300 }),
        (flags, stream, at, payload) => {
          expect(decodeFrame(encodeFrame(FRAME_KIND.data, flags, stream, at, payload))).toEqual({
            kind: FRAME_KIND.data,
            flags,
            stream,
            offset: at,
            payload,
          });
          for (const kind of [FRAME_KIND.credit, FRAME_KIND.stop])
            expect(decodeFrame(encodeFrame(kind, 0, stream, at))).toMatchObject({ kind, stream, offset: at });
        },
      ),
    );
  });

  test('of any other bytes are null, never an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const frame = decodeFrame(bytes);
        if (frame !== null)
          expect(Buffer.from(encodeFrame(frame.kind, frame.flags, frame.stream, frame.offset, frame.payload))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, (bytes: Uint8Array) => void]>([
    ['an unknown kind', (bytes) => (bytes[0] = 4)],
    ['an unknown flag', (bytes) => (bytes[1] = 4)],
    ['a reserved field that is not zero', (bytes) => (bytes[2] = 1)],
    ['stream 0', (bytes) => bytes.fill(0, 4, 8)],
    ['an offset above 2^53', (bytes) => (bytes[14] = 0x20)],
  ])('with %s are refused', (_, spoil) => {
    const bytes = encodeFrame(FRAME_KIND.data, 0, 1, 5, Buffer.from('x'));
    expect(decodeFrame(bytes)).not.toBeNull();
    spoil(bytes);
    expect(decodeFrame(bytes)).toBeNull();
  });

  test.each<[string, Uint8Array]>([
    ['shorter than a header', new Uint8Array(FRAME_HEADER_BYTES - 1)],
    ['with more payload than allowed', encodeFrame(FRAME_KIND.data, 0, 1, 0, new Uint8Array(MAX_PAYLOAD_BYTES + 1))],
    ['of credit with payload', encodeFrame(FRAME_KIND.credit, 0, 1, 0, new Uint8Array(1))],
    ['of credit with flags', encodeFrame(FRAME_KIND.credit, 1, 1, 0)],
  ])('%s are refused', (_, bytes) => {
    expect(decodeFrame(bytes)).toBeNull();
  });
});

describe('a stream to the client', () => {
  test('never exceeds its credit and delivers every byte once and in order, however credit comes', async () => {
    const step = fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 400_000 }) }),
      fc.record({ credit: fc.integer({ min: -50_000, max: 500_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.constantFrom(0, 12_345), async (steps, start) => {
        const sink = recorder();
        const stream = new OutgoingStream(1, sink, start);
        let allowed = start + INITIAL_WINDOW;
        let given = start;
        let turn: Promise<unknown> = Promise.resolve();
        const check = () => {
          let next = start;
          for (const frame of sink.frames) {
            expect(frame.offset).toBe(next);
            expect(frame.payload.byteLength).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
            next += frame.payload.byteLength;
          }
          expect(next).toBeLessThanOrEqual(allowed);
          return next;
        };
        for (const one of steps) {
          if ('send' in one) {
            const bytes = pattern(given, one.send);
            given += one.send;
            turn = turn.then(() => stream.send(bytes, false));
          } else {
            allowed = Math.max(allowed, allowed + one.credit);
            stream.credit(one.credit < 0 ? allowed + one.credit : allowed);
          }
          await settled();
          expect(check()).toBe(Math.min(given, allowed));
        }
        allowed = given;
        stream.credit(Number.MAX_SAFE_INTEGER);
        await turn;
        stream.end();
        expect(check()).toBe(given);
        expect(Buffer.concat(sink.frames.map(({ payload }) => payload)).equals(pattern(start, given - start))).toBe(true);
        expect(sink.frames.filter(({ flags }) => (flags & FLAG_EOF) !== 0)).toHaveLength(1);
      }),
      { numRuns: 40 },
    );
  });

  test('that is stopped lets its sender go on at once, and sends nothing more, no end either', async () => {
    const sink = recorder();
    const stream = new OutgoingStream(1, sink, 0);
    const sending = stream.send(Buffer.alloc(2 * INITIAL_WINDOW), false);
    await settled();
    const before = sink.frames.length;
    stream.stop();
    expect(await sending).toBe(false);
    expect(await stream.send(Buffer.from('x'), false)).toBe(false);
    stream.end();
    expect(sink.frames).toHaveLength(before);
  });

  test('keeps its window when bytes are left out', async () => {
    const sink = recorder();
    const stream = new OutgoingStream(1, sink, 0);
    stream.skipTo(10 * MIB);
    void stream.send(Buffer.alloc(2 * INITIAL_WINDOW), false);
    await settled();
    expect(sink.frames[0]?.offset).toBe(10 * MIB);
    expect(sink.frames.reduce((sum, { payload }) => sum + payload.byteLength, 0)).toBe(INITIAL_WINDOW);
  });
});

describe('a stream from the client', () => {
  const read = async (stream: IncomingStream): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  test.each<[string, BinaryFrame[]]>([
    ['beyond its credit', [data(0, Buffer.alloc(INITIAL_WINDOW)), data(INITIAL_WINDOW, 'x')]],
    ['that leaves a hole', [data(0, 'ab'), data(3, 'x')]],
    ['that goes back', [data(0, 'ab'), data(1, 'x')]],
    ['that does not begin at 0', [data(5, 'x')]],
    ['after its end', [data(0, 'ab', FLAG_EOF), data(2, 'x')]],
    ['with a second end', [data(0, '', FLAG_EOF), data(0, '', FLAG_EOF)]],
  ])('refuses data %s', (_, frames) => {
    const stream = new IncomingStream(1, recorder(), 0);
    const last = frames.pop()!;
    for (const frame of frames) expect(stream.accept(frame)).toBe(true);
    expect(stream.accept(last)).toBe(false);
  });

  test('holds no more than its window, whatever its reader does', async () => {
    const sink = recorder();
    const stream = new IncomingStream(1, sink, 0);
    for (let at = 0; at < INITIAL_WINDOW; at += 64 * 1024) expect(stream.accept(data(at, Buffer.alloc(64 * 1024)))).toBe(true);
    expect(sink.frames).toEqual([]);
    const iterator = stream[Symbol.asyncIterator]();
    for (let n = 0; n < 4; n += 1) await iterator.next();
    void iterator.next();
    await settled();
    const granted = sink.frames.at(-1)?.offset ?? 0;
    expect(granted).toBeGreaterThan(INITIAL_WINDOW);
    expect(granted).toBeLessThanOrEqual(INITIAL_WINDOW + 1024 * 1024);
    expect(stream.accept(data(INITIAL_WINDOW, Buffer.alloc(granted - INITIAL_WINDOW)))).toBe(true);
    expect(stream.accept(data(granted, 'x'))).toBe(false);
  });

  test('keeps frames of one byte together instead of one by one', async () => {
    const stream = new IncomingStream(1, recorder(), 0);
    for (let at = 0; at < 100_000; at += 1) stream.accept(data(at, 'x'));
    stream.accept(data(100_000, '', FLAG_EOF));
    let chunks = 0;
    for await (const chunk of stream) chunks += chunk.byteLength > 0 ? 1 : 0;
    expect(chunks).toBeLessThan(40);
  });

  test('that is resumed at any offset passes every byte on once, whatever is repeated', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(5000),
        fc.nat(5000),
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        async (base, repeated, sizes, isReaderLate) => {
          const start = Math.max(0, base - repeated);
          const stream = new IncomingStream(1, recorder(), null);
          if (!isReaderLate) stream.beginAt(base);
          let at = start;
          for (const size of sizes) {
            expect(stream.accept(data(at, pattern(at, size)))).toBe(true);
            at += size;
          }
          expect(stream.accept(data(at, '', FLAG_EOF))).toBe(true);
          if (isReaderLate) stream.beginAt(base);
          expect((await read(stream)).equals(pattern(base, Math.max(0, at - base)))).toBe(true);
        },
      ),
    );
  });

  test.each(['x', ''])('that is resumed behind the byte that is due fails instead of leaving a hole, with %j left to say', async (rest) => {
    const stream = new IncomingStream(1, recorder(), null);
    stream.accept(data(10, rest, FLAG_EOF));
    stream.beginAt(5);
    await expect(read(stream)).rejects.toThrow('the stream begins after the byte that is due');
  });

  test('whose connection is lost gives what came, then the failure', async () => {
    const stream = new IncomingStream(1, recorder(), 0);
    stream.accept(data(0, 'abc'));
    stream.fail(new Error('lost'));
    const iterator = stream[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value as Uint8Array).toString()).toBe('abc');
    await expect(iterator.next()).rejects.toThrow('lost');
  });
});

test('a command runs ahead of its slowest holding reader by 512 KiB, of what is durable never, and credit never goes back', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ durable: fc.nat(4 * MIB) }),
          fc.record({ reader: fc.constantFrom('a', 'b'), reached: fc.nat(30 * MIB) }),
          fc.record({ release: fc.constantFrom('a', 'b') }),
        ),
        { maxLength: 40 },
      ),
      (steps) => {
        const given: number[] = [];
        const gate = new CreditGate((offset) => given.push(offset));
        const holders = new Map<string, number>();
        let durable = 0;
        for (const step of steps) {
          if ('durable' in step) gate.durable((durable += step.durable));
          else if ('reached' in step) {
            holders.set(step.reader, step.reached);
            gate.reached(step.reader, step.reached);
          } else {
            holders.delete(step.release);
            gate.release(step.release);
          }
          const best = Math.max(0, ...given);
          expect(best).toBeLessThanOrEqual(durable);
          // In steps of less than 128 KiB it is not told.
          expect(best + MIB / 8).toBeGreaterThan(Math.min(durable, ...[...holders.values()].map((at) => at + MIB / 2)));
        }
        expect(given).toEqual([...given].sort((a, b) => a - b));
      },
    ),
  );
});
