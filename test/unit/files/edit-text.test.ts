// Exact edits and inserted lines, as text.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editText, insertLines } from '../../../daemon/files/edit-text.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const edit = (oldText: string, newText: string, replaceAll = false) => ({ oldText, newText, replaceAll });
const MIB = 1024 * 1024;

describe('an edit', () => {
  test.each<[string, string, ReturnType<typeof edit>[], string, { replacements: number; lines: number[] }[]]>([
    ['replaces the one place', 'a\nb\nc\n', [edit('b', 'B')], 'a\nB\nc\n', [{ replacements: 1, lines: [2] }]],
    ['may delete', 'a\nb\n', [edit('a\n', '')], 'b\n', [{ replacements: 1, lines: [1] }]],
    ['replaces all where all are meant', 'x x\nx', [edit('x', 'yy', true)], 'yy yy\nyy', [{ replacements: 3, lines: [1, 1, 2] }]],
    ['replaces all where there is one', 'x', [edit('x', 'y', true)], 'y', [{ replacements: 1, lines: [1] }]],
    ['counts places that do not overlap', 'aaaa', [edit('aa', 'b', true)], 'bb', [{ replacements: 2, lines: [1, 1] }]],
    ['takes its texts literally', 'a.c $& $1\n', [edit('a.c', '$&$1\\n')], '$&$1\\n $& $1\n', [{ replacements: 1, lines: [1] }]],
    ['takes them literally everywhere', 'aa', [edit('a', '$&', true)], '$&$&', [{ replacements: 2, lines: [1, 1] }]],
    [
      'sees what the edits before it left',
      'a\n',
      [edit('a', 'b\nc'), edit('c', 'd')],
      'b\nd\n',
      [
        { replacements: 1, lines: [1] },
        { replacements: 1, lines: [2] },
      ],
    ],
    [
      'sent with LF means the CRLF of the file',
      'a\r\nb\r\n',
      [edit('a\nb', 'x\ny\nz')],
      'x\r\ny\r\nz\r\n',
      [{ replacements: 1, lines: [1] }],
    ],
    ['sent with CRLF matches CRLF', 'a\r\nb\r\n', [edit('a\r\nb', 'x\r\ny')], 'x\r\ny\r\n', [{ replacements: 1, lines: [1] }]],
    [
      'of a mixed file takes the ends of where it matches',
      'a\r\nb\r\nc\n',
      [edit('a\nb', 'x\ny')],
      'x\r\ny\r\nc\n',
      [{ replacements: 1, lines: [1] }],
    ],
    ['of a mixed file prefers what was sent', 'a\nb\na\r\nb', [edit('a\nb', 'x\ny')], 'x\ny\na\r\nb', [{ replacements: 1, lines: [1] }]],
    [
      'of a mixed file finds LF lines sent with CRLF',
      'a\nb\nc\r\n',
      [edit('a\r\nb', 'x\r\ny')],
      'x\ny\nc\r\n',
      [{ replacements: 1, lines: [1] }],
    ],
    ['leaves the missing newline at the end missing', 'a\nb', [edit('b', 'c')], 'a\nc', [{ replacements: 1, lines: [2] }]],
  ])('%s', (_, text, edits, expected, told) => {
    expect(editText(text, edits, 'f')).toEqual({ text: expected, edits: told });
  });

  const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index + 1}: value\n`).join('');

  test.each<[string, string, ReturnType<typeof edit>[], string]>([
    ['of text that is not there', 'abc\n', [edit('xyz', '')], 'NO_MATCH: the text occurs 0 times'],
    [
      'of text that is nearly there names the line',
      'one\nconst total = 41;\nthree\n',
      [edit('const total = 42;', 'x')],
      'NO_MATCH: the text occurs 0 times; nearest line 2: "const total = 41;"',
    ],
    [
      'of text that differs in white space says so',
      'if (a) {\n\treturn;\n}\n',
      [edit('if (a) {\n  return;\n}', 'x')],
      'NO_MATCH: the text occurs 0 times; nearest line 1, where it differs in white space only',
    ],
    [
      'of text whose first line occurs names that line',
      'a\nfunction f() {\n  b();\n}\n',
      [edit('function f() {\n  c();\n}', 'x')],
      'NO_MATCH: the text occurs 0 times; nearest line 2: "function f() {"',
    ],
    ['of nothing', 'abc', [edit('', 'x')], 'INVALID_REQUEST: oldText is empty'],
    ['of text that occurs twice', 'x\ny\nx\n', [edit('x', 'z')], 'AMBIGUOUS_MATCH: the text occurs 2 times, on lines 1, 3'],
    [
      'of text that occurs often lists the first 20 lines',
      'x\n'.repeat(25),
      [edit('x', 'z')],
      'AMBIGUOUS_MATCH: the text occurs 25 times, on lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 and 5 more',
    ],
    ['into the same text', 'abc', [edit('b', 'b')], 'INVALID_REQUEST: the new text is the same as the old one'],
    ['there and back', 'abc', [edit('b', 'x'), edit('x', 'b')], 'INVALID_REQUEST: the new text is the same as the old one'],
    [
      'that would make it too large',
      'a'.repeat(1000),
      [edit('a', 'b'.repeat(10_000), true)],
      'TOO_LARGE: it would be larger than 4194304 bytes',
    ],
    ['of too many places', 'a'.repeat(100_001), [edit('a', 'b', true)], 'TOO_LARGE: the text occurs more than 100000 times'],
    [
      'that is one of too many for so large a file',
      `${'a'.repeat(4 * MIB - 100)}0`,
      Array.from({ length: 9 }, (_, index) => edit(String(index), String(index + 1))),
      'TOO_LARGE: so many edits of so large a file take too long',
    ],
    [
      'far down names the line, too',
      numbered(5000),
      [edit('line 4000: valu3', 'x')],
      'NO_MATCH: the text occurs 0 times; nearest line 4000: "line 4000: value"',
    ],
  ])('%s is refused', async (_, text, edits, reason) => {
    expect(await refusal(() => editText(text, edits, 'f'))).toBe(reason);
  });

  test('says which of several does not fit, and applies none', async () => {
    const error = await Promise.resolve()
      .then(() => editText('abc', [edit('a', 'x'), edit('q', 'y')], 'f'))
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'NO_MATCH', message: 'Cannot edit "f" (edit 2 of 2): the text occurs 0 times' });
  });

  test('does what String.replace does, for any texts', () => {
    const any = fc.stringMatching(/^[ab\n]{0,12}$/);
    fc.assert(
      fc.property(any, any, any, (before, middle, after) => {
        const text = `${before}<${middle}>${after}`;
        expect(editText(text, [edit(`<${middle}>`, 'NEW')], 'f').text).toBe(`${before}NEW${after}`);
      }),
    );
  });
});

describe('lines inserted', () => {
  test.each<[string, string, number, string, string, number, number, number]>([
    ['at the top', 'a\nb\n', 0, 'x', 'x\na\nb\n', 1, 1, 3],
    ['after a line', 'a\nb\n', 1, 'x\ny\n', 'a\nx\ny\nb\n', 2, 3, 4],
    ['at the end', 'a\nb\n', 2, 'x', 'a\nb\nx\n', 3, 3, 3],
    ['into an empty file', '', 0, 'x', 'x\n', 1, 1, 1],
    ['at the end of a file without a last newline', 'a\nb', 2, 'x\n', 'a\nb\nx', 3, 3, 3],
    ['before its last line', 'a\nb', 1, 'x', 'a\nx\nb', 2, 2, 3],
    ['into a CRLF file', 'a\r\nb\r\n', 1, 'x\ny', 'a\r\nx\r\ny\r\nb\r\n', 2, 3, 4],
    ['at the end of a CRLF file without a last newline', 'a\r\nb', 2, 'x', 'a\r\nb\r\nx', 3, 3, 3],
    ['at the top of a CRLF file', 'a\r\n', 0, 'x', 'x\r\na\r\n', 1, 1, 2],
    ['into a mixed file, like the line before', 'a\r\nb\nc\n', 1, 'x', 'a\r\nx\r\nb\nc\n', 2, 2, 4],
    ['that are empty lines', 'a\n', 1, '\n\n', 'a\n\n\n', 2, 3, 3],
  ])('%s', (_, text, line, inserted, expected, startLine, endLine, totalLines) => {
    expect(insertLines(text, line, inserted, 'f')).toEqual({ text: expected, startLine, endLine, totalLines });
  });

  test.each([
    ['beyond the end', 'a\nb\n', 3, 'x', 'INVALID_REQUEST: it has 2 lines'],
    ['beyond an empty file', '', 1, 'x', 'INVALID_REQUEST: it has 0 lines'],
    ['that are none', 'a\n', 1, '', 'INVALID_REQUEST: the text is empty'],
  ])('%s are refused', async (_, text, line, inserted, reason) => {
    expect(await refusal(() => insertLines(text, line, inserted, 'f'))).toBe(reason);
  });
});
