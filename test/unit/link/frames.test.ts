import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameDecoder } from '../../../daemon/link/frame-decoder.ts';
import { FLAG, LinkViolation, UP, UP_BOUNDS, encodeFrame, writeU64 } from '../../../daemon/link/frames.ts';
import type { FrameSink } from '../../../daemon/link/frames.ts';

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly offset: number;
  readonly bytes: string;
}

/** Joins the parts of data frames again, as an observer who does not care about cuts. */
class Recorder implements FrameSink {
  readonly seen: Seen[] = [];
  #open: { type: number; id: number; offset: number; parts: Buffer[]; next: number } | null = null;

  frame(type: number, flags: number, id: number, body: Buffer): void {
    this.seen.push({ type, flags, id, offset: 0, bytes: body.toString('hex') });
  }

  data(type: number, flags: number, id: number, offset: number, bytes: Buffer, isLast: boolean): void {
    this.#open ??= { type, id, offset, parts: [], next: offset };
    if (type === UP.output) expect(offset).toBe(this.#open.next);
    this.#open.parts.push(Buffer.from(bytes));
    this.#open.next += bytes.length;
    if (!isLast) return;
    this.seen.push({ type, flags, id, offset: this.#open.offset, bytes: Buffer.concat(this.#open.parts).toString('hex') });
    this.#open = null;
  }
}

const bytes = (min: number, max: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((value) => Buffer.from(value));
const id = fc.integer({ min: 0, max: 0xffff_ffff });

const frame = fc.oneof(
  fc.tuple(id, bytes(4, 4)).map(([number, body]) => encodeFrame(UP.started, 0, number, body)),
  fc.tuple(id, bytes(64, 64)).map(([number, body]) => encodeFrame(UP.exit, 0, number, body)),
  fc.tuple(id).map(([number]) => encodeFrame(UP.exitGone, 0, number)),
  fc.tuple(id, bytes(0, 300), fc.boolean()).map(([number, body, eof]) => encodeFrame(UP.dialData, eof ? FLAG.eof : 0, number, body)),
  fc.tuple(id, bytes(1, 300), fc.maxSafeNat(), fc.boolean()).map(([number, body, offset, stderr]) => {
    const head = Buffer.alloc(8);
    writeU64(head, offset - 300 < 0 ? 0 : offset - 300, 0);
    return encodeFrame(UP.output, stderr ? FLAG.stderr : 0, number, Buffer.concat([head, body]));
  }),
  fc.tuple(id, bytes(8, 500)).map(([number, body]) => encodeFrame(UP.fileEnd, 0, number, body)),
);

function decode(parts: readonly Buffer[]): Seen[] {
  const recorder = new Recorder();
  const decoder = new FrameDecoder(recorder, UP_BOUNDS);
  for (const part of parts) decoder.push(part);
  return recorder.seen;
}

function split(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => stream.subarray(from, at[index] ?? stream.length));
}

describe('the frame decoder', () => {
  test('reads the same however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
        const stream = Buffer.concat(frames);
        expect(decode(split(stream, cuts))).toEqual(decode(frames));
      }),
      { numRuns: 500 },
    );
  });

  test('reads the same byte by byte', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), (frames) => {
        const stream = Buffer.concat(frames);
        expect(decode(Array.from(stream, (_, index) => stream.subarray(index, index + 1)))).toEqual(decode(frames));
      }),
      { numRuns: 100 },
    );
  });

  test('throws nothing but LinkViolation at garbage and keeps no more than one bounded body', () => {
    const plausible = fc
      .tuple(fc.integer({ min: 0, max: 80_000 }), fc.constantFrom(...Object.values(UP)), fc.nat(7), fc.nat(1), bytes(0, 200))
      .map(([length, type, flags, zero, body]) => {
        const head = Buffer.alloc(12);
        head.writeUInt32LE(length, 0);
        head[4] = type;
        head[5] = flags;
        head.writeUInt16LE(zero, 6);
        return Buffer.concat([head, body]);
      });
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes(0, 300), plausible, frame), { maxLength: 20 }), (parts) => {
        try {
          decode(parts);
        } catch (error) {
          expect(error).toBeInstanceOf(LinkViolation);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    { claim: 'a type it does not know', frame: encodeFrame(0x70, 0, 1), reason: 'unknown or not allowed' },
    { claim: 'HELLO after WELCOME', frame: encodeFrame(UP.hello, 0, 0, Buffer.alloc(36)), reason: 'unknown or not allowed' },
    { claim: 'a body of 4 GiB', frame: Buffer.from('ffffffff840000000100000000', 'hex'), reason: '4294967295 bytes' },
    { claim: 'output of more than 64 KiB', frame: encodeFrame(UP.output, 0, 1, Buffer.alloc(65_545)), reason: '65545 bytes' },
    { claim: 'output without a byte', frame: encodeFrame(UP.output, 0, 1, Buffer.alloc(8)), reason: '8 bytes' },
    { claim: 'an EXIT of 63 bytes', frame: encodeFrame(UP.exit, 0, 1, Buffer.alloc(63)), reason: '63 bytes' },
    { claim: 'a STATUS of half an entry', frame: encodeFrame(UP.status, 0, 0, Buffer.alloc(36)), reason: '36 bytes' },
    {
      claim: 'a flag that the type does not have',
      frame: encodeFrame(UP.output, FLAG.eof, 1, Buffer.alloc(9)),
      reason: 'bits it must not',
    },
    {
      claim: 'an offset beyond 2^53',
      frame: encodeFrame(UP.output, 0, 1, Buffer.from('000000000000200041', 'hex')),
      reason: 'beyond 2^53',
    },
  ])('refuses $claim', ({ frame: bad, reason }) => {
    expect(() => decode([bad])).toThrow(reason);
  });
});
