// Lines of a file as they are asked for, whatever its size, and never fewer without saying so.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FileView } from '../../../client/protocol/text.ts';
import { splitLines } from '../../../daemon/files/text-lines.ts';
import { view } from '../../../daemon/files/text-view.ts';
import { LineWindow } from '../../../daemon/files/text-window.ts';
import { refusal } from '../../support/fake-sandbox.ts';
import { MemoryStore } from '../../support/text-store.ts';

type FileLines = Extract<FileView, { kind: 'file' }>;
const lines = async (content: string | Uint8Array, startLine?: number, endLine?: number, numbered = false): Promise<FileLines> => {
  const result = await view(new MemoryStore({ f: content }), 'f', { startLine, endLine, numbered });
  if (result.kind !== 'file') throw new Error('not a file');
  return result;
};
const MIB = 1024 * 1024;

describe('a view', () => {
  test.each<[string, string, number | undefined, number | undefined, Partial<FileLines>]>([
    [
      'of all of it',
      'a\nb\n',
      undefined,
      undefined,
      { text: 'a\nb\n', startLine: 1, endLine: 2, totalLines: 2, newline: 'lf', truncated: false },
    ],
    ['of one line', 'a\nb\nc\n', 2, 2, { text: 'b\n', startLine: 2, endLine: 2, totalLines: 3 }],
    ['to the end', 'a\nb\nc', 2, undefined, { text: 'b\nc', endLine: 3, totalLines: 3 }],
    ['from the start', 'a\nb\nc', undefined, 1, { text: 'a\n', endLine: 1 }],
    ['beyond the end stops there', 'a\nb', 2, 99, { text: 'b', endLine: 2, totalLines: 2, truncated: false }],
    ['of CRLF keeps it', 'a\r\nb\r\n', 1, 1, { text: 'a\r\n', newline: 'crlf' }],
    ['of both ends says so', 'a\r\nb\n', undefined, undefined, { newline: 'mixed' }],
    ['of nothing', '', undefined, undefined, { text: '', endLine: 0, totalLines: 0, newline: 'none' }],
    ['without the mark', '\ufeffa\n', undefined, undefined, { text: 'a\n', encoding: 'utf-8-bom' }],
  ])('%s', async (_, content, startLine, endLine, expected) => {
    expect(await lines(content, startLine, endLine)).toMatchObject(expected);
  });

  test('with numbers has them as agents know them', async () => {
    expect((await lines('a\r\nb\n\nc', 2, undefined, true)).text).toBe('     2\tb\n     3\t\n     4\tc');
  });

  test('of UTF-16 and latin-1 is text', async () => {
    expect(await lines(Buffer.from('\ufeffä\nö\n', 'utf16le'), 2)).toMatchObject({ text: 'ö\n', encoding: 'utf-16le', totalLines: 2 });
    expect(await lines(Buffer.from('\ufeffä\nö\n', 'utf16le').swap16(), 1, 1)).toMatchObject({ text: 'ä\n', encoding: 'utf-16be' });
    expect(await lines(Buffer.from('a\né\n', 'latin1'), 1, 1)).toMatchObject({ text: 'a\n', encoding: 'utf-8', totalLines: 2 });
    expect(await lines(Buffer.from('a\né\n', 'latin1'), 2, 2)).toMatchObject({ text: 'é\n', encoding: 'latin-1' });
  });

  test('of a large file reads as far as asked and says that there is more', async () => {
    const large = 'line\n'.repeat(2 * MIB);
    expect(await lines(large, 1000, 1001)).toMatchObject({ text: 'line\nline\n', totalLines: null, truncated: false });
    expect(await lines(large, 2 * MIB, undefined)).toMatchObject({ text: 'line\n', endLine: 2 * MIB, totalLines: 2 * MIB });
  });

  test('larger than an answer is cut between lines and says so', async () => {
    const result = await lines('0123456789\n'.repeat(100_000));
    expect(result).toMatchObject({ truncated: true, totalLines: 100_000 });
    expect(result.text).toBe('0123456789\n'.repeat(result.endLine));
    expect(result.endLine).toBeGreaterThan(15_000);
  });

  test('of a line larger than an answer is its beginning and says so', async () => {
    for (const size of [MIB, 5 * MIB]) {
      const result = await lines(`a\n${'x'.repeat(size)}\nb\n`, 2, 2);
      expect(result).toMatchObject({ truncated: true, startLine: 2, endLine: 2 });
      expect(result.text).toMatch(/^x{1000,}$/);
    }
  });

  test.each<[string, string | Uint8Array, number | undefined, number | undefined, string]>([
    ['from behind the end', 'a\nb\n', 3, undefined, 'INVALID_REQUEST: it has 2 lines'],
    ['that ends before it begins', 'a\nb\n', 2, 1, 'INVALID_REQUEST: line 1 is before line 2'],
    ['of a binary file', Buffer.from([0x7f, 0x45, 0]), undefined, undefined, 'INVALID_REQUEST: it is a binary file, not text'],
    ['of a binary file that is large', Buffer.alloc(5 * MIB), 2, 2, 'INVALID_REQUEST: it is a binary file, not text'],
    [
      'of UTF-16 that is large',
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(5 * MIB, 'a')]),
      1,
      1,
      'TOO_LARGE: it is larger than 4194304 bytes',
    ],
  ])('%s is refused', async (_, content, startLine, endLine, reason) => {
    expect(await refusal(lines(content, startLine, endLine))).toBe(reason);
  });
});

test('a line that is too far into a file is not looked for to its end', async () => {
  /** 300 MiB of one line, of which no more than a chunk is held. */
  class Long extends MemoryStore {
    chunks = 0;

    override read(path: string) {
      const count = (): void => void (this.chunks += 1);
      return {
        stat: this.stat(path),
        async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
          const chunk = Buffer.alloc(MIB, 'x');
          for (let index = 0; index < 300; index += 1) {
            count();
            yield chunk;
          }
        },
      };
    }

    override async stat(path: string) {
      return { ...(await super.stat(path)), size: 300 * MIB };
    }
  }
  const store = new Long({ f: '' });
  const looking = view(store, 'f', { startLine: 2, numbered: true });
  expect(await refusal(looking)).toBe('TOO_LARGE: line 2 is not in its first 268435456 bytes');
  expect(store.chunks).toBe(257);
});

test('a window takes the same lines however the bytes arrive', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a\n]{0,30}$/),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 8 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      (text, first, more, sizes) => {
        const window = new LineWindow(first, first + more, 1000);
        for (let [at, turn] = [0, 0]; at < text.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          window.push(Buffer.from(text.slice(at, at + size)));
          at += size;
        }
        const all = splitLines(text);
        expect(window.bytes().toString()).toBe(all.slice(first - 1, first + more).join(''));
        expect(window.lines).toBe(all.length);
      },
    ),
    { numRuns: 1000 },
  );
});
