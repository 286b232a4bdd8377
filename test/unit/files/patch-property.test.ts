// Patches, whatever they change: applying the difference of two texts to the one gives the other, and no patch costs more
// than its size. The differences are made by `diff`, which knows nothing of our parser.

import { createTwoFilesPatch } from 'diff';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyHunks } from '../../../daemon/files/patch-apply.ts';
import { PatchEffort } from '../../../daemon/files/patch-model.ts';
import { parsePatch } from '../../../daemon/files/patch-parse.ts';
import { countLines } from '../../../daemon/files/text-lines.ts';
import { refusal } from '../../support/fake-sandbox.ts';

/** Few different lines, so that places are ambiguous, and lines that look like parts of a patch. */
const line = fc.constantFrom(
  'a',
  'b',
  '',
  ' ',
  '  a',
  '-- b',
  '++ c',
  '--- x',
  '+++ y',
  '@@ -1 +1 @@',
  '\\ no',
  '*** End Patch',
  'diff --git a/x b/x',
  '}',
);
const text = (newline: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(fc.tuple(line, newline), { maxLength: 30 }), fc.boolean())
    .map(([lines, isOpen]) => lines.map(([content, end], index) => content + (isOpen && index === lines.length - 1 ? '' : end)).join(''));
const LF = text(fc.constant('\n'));
const CRLF = text(fc.constant('\r\n'));
const MIXED = text(fc.constantFrom('\n', '\r\n'));

function applied(before: string, patch: string): string {
  const [file, ...others] = parsePatch(patch, undefined);
  expect(others).toEqual([]);
  const result = applyHunks(before, file?.hunks ?? [], new PatchEffort(countLines(patch)));
  if (result.verdict === 'mismatch') throw new Error(result.reason);
  return result.text;
}

describe('a unified diff from one text to another', () => {
  test.each([
    ['with LF lines', LF],
    ['with CRLF lines', CRLF],
    ['with lines of both kinds', MIXED],
  ])('%s gives the other', (_, texts) => {
    fc.assert(
      fc.property(texts, texts, fc.integer({ min: 0, max: 5 }), (before, after, context) => {
        fc.pre(before !== after);
        const patch = createTwoFilesPatch('f', 'f', before, after, '', '', { context });
        expect(applied(before, patch)).toBe(after);
      }),
      { numRuns: 600 },
    );
  });

  test('sent with CRLF throughout changes an LF file as if sent with LF', () => {
    fc.assert(
      fc.property(LF, LF, (before, after) => {
        fc.pre(before !== after);
        const patch = createTwoFilesPatch('f', 'f', before, after).replaceAll('\n', '\r\n');
        expect(applied(before, patch)).toBe(after);
      }),
      { numRuns: 300 },
    );
  });

  test('made of LF text changes the same text in CRLF, and leaves its line ends', () => {
    fc.assert(
      fc.property(LF, LF, (before, after) => {
        fc.pre(before !== after && before.includes('\n'));
        const crlf = (value: string): string => value.replaceAll('\n', '\r\n');
        expect(applied(crlf(before), createTwoFilesPatch('f', 'f', before, after))).toBe(crlf(after));
      }),
      { numRuns: 300 },
    );
  });

  test('finds its place when other lines came before it', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z]{3,8}$/), { minLength: 12, maxLength: 40 }),
        fc.integer({ min: 1, max: 50 }),
        (lines, more) => {
          const before = lines.map((content) => `${content}\n`).join('');
          const after = before.replace(`${lines[6]}\n`, 'CHANGED\n');
          const prefix = 'NEW\n'.repeat(more);
          expect(applied(prefix + before, createTwoFilesPatch('f', 'f', before, after))).toBe(prefix + after);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a hostile patch', () => {
  const MEGABYTE = 1024 * 1024;
  /** The most lines that a patched file may have. */
  const LINES = 200_000;
  /** A megabyte, or as many lines as a patch may have. */
  const repeat = (unit: string, bytes: number): string =>
    unit.repeat(Math.floor(Math.min(bytes / unit.length, 99_000 / Math.max(1, unit.split('\n').length - 1))));
  /** Patch and the text it is for; each is refused or applied after work in proportion to both. */
  const cases: [string, string, string][] = [
    ['of hunks that match everywhere and end nowhere', `--- f\n+++ f\n${repeat('@@\n a\n-a\n+a\n', MEGABYTE)}`, 'a\n'.repeat(LINES)],
    ['of one hunk that almost matches at every line', `--- f\n+++ f\n@@ -1 +1 @@\n${repeat(' a\n', MEGABYTE)}-b\n`, 'a\n'.repeat(LINES)],
    [
      'of hunks far from their numbers',
      `--- f\n+++ f\n${repeat('@@ -900000,2 +900000,2 @@\n a\n-x\n+y\n', MEGABYTE)}`,
      `a\nx\n${'b\n'.repeat(LINES)}`,
    ],
    ['of headers alone', repeat('--- a\n+++ a\n', MEGABYTE), ''],
    ['of git headers alone', repeat('diff --git a/x b/x\n', MEGABYTE), ''],
    ['of hunk headers that promise millions of lines', `--- f\n+++ f\n${repeat('@@ -1,999999999 +1,999999999 @@\n', MEGABYTE)}`, 'a\n'],
    ['of wrong counts in every header', `--- f\n+++ f\n${repeat('@@ -1,9 +1,9 @@\n a\n', MEGABYTE)}`, 'a\n'],
    ['of quotes that never end', `--- "${repeat('\\', MEGABYTE)}\n+++ b\n@@ -1 +1 @@\n-a\n+b\n`, 'a\n'],
    ['of V4A anchors', `*** Begin Patch\n*** Update File: f\n${repeat('@@ a\n', MEGABYTE)} a\n-a\n*** End Patch`, 'a\n'.repeat(LINES)],
    ['of V4A anchors that do not occur', `*** Update File: f\n${repeat('@@ q\n a\n', MEGABYTE)}`, 'a\n'.repeat(LINES)],
    [
      'of two long lines that differ at their ends',
      `--- f\n+++ f\n@@ -1 +1 @@\n-${'a'.repeat(MEGABYTE / 2)}b\n+c\n`,
      `${'a'.repeat(MEGABYTE / 2)}c\n`.repeat(8),
    ],
    ['of empty lines', `--- f\n+++ f\n@@\n${'\n'.repeat(99_000)}@@\n-x\n`, '\n'.repeat(LINES)],
  ];

  /** Comparisons, which do not depend on how fast the machine is. */
  class CountedEffort extends PatchEffort {
    steps = 0;

    override spend(steps: number): void {
      this.steps += steps;
      super.spend(steps);
    }
  }

  test.each(cases)('%s costs no more than its size allows', async (_, patch, before) => {
    const effort = new CountedEffort(countLines(patch));
    const outcome = await refusal(() => {
      for (const file of parsePatch(patch, undefined)) applyHunks(before, file.hunks, effort);
    });
    expect(outcome).toMatch(/^(no error|TOO_LARGE|INVALID_REQUEST)/);
    expect(effort.steps).toBeLessThan(10 * (countLines(patch) + countLines(before)) + 300_000);
  });

  test('of any bytes is refused or read, and nothing else', async () => {
    const piece = fc.oneof(
      line,
      fc.constantFrom(
        '--- a/x',
        '+++ b/x',
        '--- /dev/null',
        '+++ /dev/null',
        'rename from x',
        'rename to "y\\303\\244"',
        'new file mode 100644',
        'index 1..2',
      ),
      fc.constantFrom(
        '@@',
        '@@ -1,2 +1,2 @@ f',
        '*** Begin Patch',
        '*** Update File: x',
        '*** Add File: y',
        '*** Delete File: z',
        '*** Move to: w',
        '*** End of File',
      ),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 20 }), fc.option(fc.constant('p'), { nil: undefined }), async (lines, path) => {
        const outcome = await refusal(() => {
          for (const file of parsePatch(lines.join('\n'), path)) applyHunks('a\nb\n', file.hunks, new PatchEffort(lines.length));
        });
        expect(outcome).toMatch(/^(no error|INVALID_REQUEST)/);
      }),
      { numRuns: 2000 },
    );
  });
});
