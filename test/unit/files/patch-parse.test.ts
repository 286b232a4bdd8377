// What patches say: the headers and hunks of both dialects, as tools and as models write them.

import { describe, expect, test } from 'vitest';
import { parsePatch, patchedPaths } from '../../../daemon/files/patch-parse.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const HUNK = '@@ -1 +1 @@\n-a\n+b\n';
/** `action path`, then what differs from a plain change. */
const told = (patch: string, path?: string): string[] =>
  parsePatch(patch, path).map(({ action, path: name, to, otherPath, mode, hunks }) =>
    [
      `${action} ${name}`,
      ...(to === undefined ? [] : [`to ${to}`]),
      ...(otherPath === undefined ? [] : [`or ${otherPath}`]),
      ...(mode === undefined ? [] : [`mode ${mode.toString(8)}`]),
      `${hunks.length} hunks`,
    ].join(', '),
  );

describe('a patch', () => {
  test.each<[string, string, string[]]>([
    ['of diff -u', `--- f.txt\t2026-01-01 00:00:00\n+++ f.txt\t2026-01-02\n${HUNK}`, ['change f.txt, 1 hunks']],
    ['of git', `diff --git a/src/f b/src/f\nindex 1..2 100644\n--- a/src/f\n+++ b/src/f\n${HUNK}`, ['change src/f, 1 hunks']],
    ['of git with other prefixes', `--- i/f\n+++ w/f\n${HUNK}`, ['change f, 1 hunks']],
    ['of a directory named a', `--- a/f\n+++ a/f\n${HUNK}`, ['change a/f, 1 hunks']],
    ['with CRLF throughout', `--- a/f\n+++ b/f\n${HUNK}`.split('\n').join('\r\n').split('\r\n').join('\r\n'), ['change f, 1 hunks']],
    ['with a message before and a signature after', `From: x\nSubject: y\n\n--- a/f\n+++ b/f\n${HUNK}-- \n2.39.5\n`, ['change f, 1 hunks']],
    ['in a code fence', `\`\`\`diff\n--- a/f\n+++ b/f\n${HUNK}\`\`\`\n`, ['change f, 1 hunks']],
    ['that makes a file', `--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n`, ['create f, 1 hunks']],
    [
      'of git that makes a file',
      `diff --git a/f b/f\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n`,
      ['create f, mode 755, 1 hunks'],
    ],
    ['of git that makes an empty file', 'diff --git a/f b/f\nnew file mode 100644\nindex 0..e69\n', ['create f, mode 644, 0 hunks']],
    ['that deletes a file', `--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n`, ['delete f, 1 hunks']],
    ['of git that deletes an empty file', 'diff --git a/f b/f\ndeleted file mode 100644\nindex e69..0\n', ['delete f, 0 hunks']],
    ['that renames', 'diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n', ['change f, to g, 0 hunks']],
    [
      'that renames and changes',
      `diff --git a/f b/g\nsimilarity index 90%\nrename from f\nrename to g\nindex 1..2\n--- a/f\n+++ b/g\n${HUNK}`,
      ['change f, to g, 1 hunks'],
    ],
    ['that changes a mode', 'diff --git a/f b/f\nold mode 100644\nnew mode 100755\n', ['change f, mode 755, 0 hunks']],
    ['with two names that are no rename', `--- f.orig\n+++ f\n${HUNK}`, ['change f, or f.orig, 1 hunks']],
    ['with quoted names', `--- "a/caf\\303\\251 \\"x\\""\n+++ "b/caf\\303\\251 \\"x\\""\n${HUNK}`, ['change café "x", 1 hunks']],
    [
      'with names that have blanks',
      `diff --git a/my file b/my file\nold mode 100644\nnew mode 100755\n`,
      ['change my file, mode 755, 0 hunks'],
    ],
    ['of several files', `--- a/f\n+++ b/f\n${HUNK}${HUNK}--- a/g\n+++ b/g\n${HUNK}`, ['change f, 2 hunks', 'change g, 1 hunks']],
    ['that removes a line like a header', '--- f\n+++ f\n@@ -1,2 +1 @@\n--- x\n a\n', ['change f, 1 hunks']],
    ['with hunks without numbers', '--- a/f\n+++ b/f\n@@ class A @@\n-a\n+b\n@@\n-c\n', ['change f, 2 hunks']],
    [
      'of V4A',
      '*** Begin Patch\n*** Add File: n\n+x\n+\n*** Delete File: d\n*** Update File: u\n*** Move to: v\n@@ def f():\n-a\n+b\n@@\n c\n+d\n*** End of File\n*** End Patch\n',
      ['create n, 1 hunks', 'delete d, 0 hunks', 'change u, to v, 2 hunks'],
    ],
    ['of V4A without its first line', '*** Update File: u\n@@\n-a\n+b\n', ['change u, 1 hunks']],
    ['of V4A that only renames', '*** Begin Patch\n*** Update File: u\n*** Move to: v\n*** End Patch', ['change u, to v, 0 hunks']],
    ['of V4A in the middle of text', 'Here it is:\n*** Begin Patch\n*** Delete File: d\n*** End Patch\nDone.', ['delete d, 0 hunks']],
  ])('%s', (_, patch, expected) => {
    expect(told(patch)).toEqual(expected);
  });

  test.each<[string, string, string[]]>([
    ['of bare @@ hunks', '@@\n-a\n+b\n', ['change p, 1 hunks']],
    ['of context alone', ' a\n-b\n+c\n', ['change p, 1 hunks']],
    ['of numbered hunks', HUNK, ['change p, 1 hunks']],
    ['of + lines', '+a\n+b\n', ['create p, 1 hunks']],
    ['of @@ with numbers and more', '@@ -1,1 +1,1 @@ f\n-a\n+b\n', ['change p, 1 hunks']],
  ])('%s is for the file named beside it', (_, patch, expected) => {
    expect(told(patch, 'p')).toEqual(expected);
  });

  test.each<[string, string, string]>([
    ['of nothing', 'hello\n', 'INVALID_REQUEST: it changes no file'],
    ['of bare hunks and no name', '@@\n-a\n+b\n', 'INVALID_REQUEST: it changes no file'],
    [
      'of a binary file',
      'diff --git a/f b/f\nindex 1..2\nBinary files a/f and b/f differ\n',
      'INVALID_REQUEST: line 3: it changes a binary file',
    ],
    [
      'in git binary form',
      'diff --git a/f b/f\nindex 1..2\nGIT binary patch\nliteral 1\n',
      'INVALID_REQUEST: line 3: it changes a binary file',
    ],
    [
      'that makes a symlink',
      'diff --git a/f b/f\nnew file mode 120000\n',
      'INVALID_REQUEST: line 2: it is of mode "120000": only regular files can be patched',
    ],
    [
      'that copies',
      'diff --git a/f b/g\ncopy from f\ncopy to g\n',
      'INVALID_REQUEST: line 2: it copies a file, which is not supported: write the copy first',
    ],
    ['without hunks', '--- a/f\n+++ b/f\n', 'INVALID_REQUEST: line 1: its file has no hunk'],
    ['with a hunk of nothing', '--- a/f\n+++ b/f\n@@ -1 +1 @@\n', 'INVALID_REQUEST: line 3: its hunk has no lines'],
    ['of /dev/null', `--- /dev/null\n+++ /dev/null\n${HUNK}`, 'INVALID_REQUEST: line 1: it names /dev/null twice'],
    [
      'of V4A with another line',
      '*** Begin Patch\nhello\n',
      'INVALID_REQUEST: line 2: expected *** Add, Update or Delete File, or *** End Patch',
    ],
    [
      'of V4A without a name',
      '*** Begin Patch\n*** Delete File: \n',
      'INVALID_REQUEST: line 2: expected *** Add, Update or Delete File, or *** End Patch',
    ],
    ['of V4A without a hunk', '*** Update File: u\n*** End Patch', 'INVALID_REQUEST: line 1: its file has no hunk'],
    [
      'of V4A with a bad hunk line',
      '*** Update File: u\n@@\n-a\nb\n',
      'INVALID_REQUEST: line 4: a line of a hunk begins with a blank, + or -',
    ],
    ['of V4A that adds without +', '*** Add File: u\na\n', 'INVALID_REQUEST: line 2: every line of an added file begins with +'],
    ['of too many lines', `--- f\n+++ f\n@@ -1 +1 @@\n${'+x\n'.repeat(100_000)}`, 'TOO_LARGE: it has 100003 lines, more than 100000'],
    ['of too many files', `--- a/f\n+++ b/f\n${HUNK}`.repeat(201), 'TOO_LARGE: it changes 201 files, more than 200'],
  ])('%s is refused', async (_, patch, reason) => {
    expect(await refusal(() => parsePatch(patch, undefined))).toBe(reason);
  });
});

test('the paths a patch touches are all told, renamed and alternative ones too, and none of one that can not be read', () => {
  const patch = `--- a/f\n+++ b/f\n${HUNK}--- x.orig\n+++ x\n${HUNK}--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\ndiff --git a/o b/n\nrename from o\nrename to n\n`;
  expect(patchedPaths(patch, undefined).map(({ path, isRemoved }) => `${path}${isRemoved ? ' removed' : ''}`)).toEqual([
    'f',
    'x',
    'x.orig',
    'd removed',
    'o removed',
    'n',
  ]);
  expect(patchedPaths('@@\n-a\n', 'p')).toEqual([{ path: 'p', isRemoved: false }]);
  expect(patchedPaths('hello', undefined)).toEqual([]);
});
