// Which bytes are text, in which encoding, and that they come back as they were.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeText, encodeText } from '../../../daemon/files/text-encoding.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

describe('bytes', () => {
  test.each<[string, Buffer, string, string]>([
    ['of ASCII are UTF-8', bytes('a\n'), 'utf-8', 'a\n'],
    ['of nothing are UTF-8', bytes(), 'utf-8', ''],
    ['of UTF-8 are UTF-8', bytes('é🙂\r\n'), 'utf-8', 'é🙂\r\n'],
    ['with a UTF-8 mark are told apart from it', bytes([0xef, 0xbb, 0xbf], 'a'), 'utf-8-bom', 'a'],
    ['with a UTF-16 mark are UTF-16, little', bytes([0xff, 0xfe, 0x61, 0, 0xe9, 0]), 'utf-16le', 'aé'],
    ['with a UTF-16 mark are UTF-16, big', bytes([0xfe, 0xff, 0, 0x61, 0, 0xe9]), 'utf-16be', 'aé'],
    ['that are no UTF-8 and have no control characters are latin-1', bytes('caf', [0xe9], '\n'), 'latin-1', 'café\n'],
    ['of a coloured log are UTF-8', bytes('\u001B[31mred\u001B[0m\n'), 'utf-8', '\u001B[31mred\u001B[0m\n'],
  ])('%s', (_, input, encoding, text) => {
    expect(decodeText(input)).toEqual({ text, encoding });
    expect(encodeText(text, decodeText(input)!.encoding, 'f').equals(input)).toBe(true);
  });

  test.each([
    ['a NUL byte', bytes('ELF', [0], 'a')],
    ['UTF-16 of an odd length', bytes([0xff, 0xfe, 0x61])],
    ['control characters and no UTF-8', bytes([0xe9, 0x01, 0x02])],
  ])('with %s are no text', (_, input) => {
    expect(decodeText(input)).toBeNull();
  });

  test('that are text come back as they were, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom([], [0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]),
        (content, mark) => {
          const input = Buffer.concat([Buffer.from(mark), Buffer.from(content)]);
          const decoded = decodeText(input);
          if (decoded !== null && !/\p{Surrogate}/u.test(decoded.text))
            expect(encodeText(decoded.text, decoded.encoding, 'f').equals(input)).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test.each<[string, string, 'latin-1' | 'utf-8' | 'utf-8-bom', string]>([
  ['a character that latin-1 lacks', 'a€', 'latin-1', 'INVALID_REQUEST: it is in latin-1, which has no "€"'],
  ['half a surrogate pair in UTF-8', '\ud800', 'utf-8', 'INVALID_REQUEST: the new text is not well-formed Unicode'],
  ['half a surrogate pair behind a mark', '\udc00', 'utf-8-bom', 'INVALID_REQUEST: the new text is not well-formed Unicode'],
])('%s is refused, not replaced', async (_, text, encoding, reason) => {
  expect(await refusal(() => encodeText(text, encoding, 'f'))).toBe(reason);
});
