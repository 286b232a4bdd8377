// Envelopes of the Connect protocol, as they come in any pieces.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endFrame, messageFrame, readFrames } from '../../../daemon/compat/connect-codec.ts';
import { codeOf } from '../../support/eventually.ts';

async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}
const readAll = async (bytes: Buffer, size = 7, maxBytes = 1000): Promise<unknown[]> => {
  const found: unknown[] = [];
  for await (const message of readFrames(piecesOf(bytes, size), maxBytes)) found.push(message);
  return found;
};

describe('messages of a stream', () => {
  test('come out as they went in, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ text: fc.string() }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (messages, size) => {
          expect(await readAll(Buffer.concat([...messages.map(messageFrame), endFrame()]), size)).toEqual(messages);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('end with the frame that says so, whatever follows', async () => {
    expect(await readAll(Buffer.concat([messageFrame({ a: 1 }), endFrame(), messageFrame({ b: 2 })]))).toEqual([{ a: 1 }]);
  });

  const refused: Record<string, readonly [Buffer, string]> = {
    'a message above the limit, before it is kept': [Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), 'TOO_LARGE'],
    'a compressed message': [Buffer.from([1, 0, 0, 0, 2, 0x7b, 0x7d]), 'INVALID_REQUEST'],
    'a message that is no JSON': [Buffer.from([0, 0, 0, 0, 1, 0x7b]), 'INVALID_REQUEST'],
    'a stream that is cut off': [messageFrame({ a: 1 }).subarray(0, 8), 'INVALID_REQUEST'],
    'a header that is cut off': [Buffer.from([0, 0]), 'INVALID_REQUEST'],
  };
  test.each(Object.entries(refused))('%s is refused', async (_, [bytes, code]) => {
    expect(await codeOf(readAll(bytes))).toBe(code);
  });
});

test('the end of a stream says how it went', () => {
  expect(endFrame().toString('latin1')).toBe('\x02\0\0\0\x02{}');
  expect(JSON.parse(endFrame({ code: 'not_found', message: 'no' }).subarray(5).toString())).toEqual({
    error: { code: 'not_found', message: 'no' },
  });
});
