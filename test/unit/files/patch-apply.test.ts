// Hunks on a text: places found by number, by context, with tolerance, and what is said when they are not.

import { describe, expect, test } from 'vitest';
import { applyHunks } from '../../../daemon/files/patch-apply.ts';
import { PatchEffort } from '../../../daemon/files/patch-model.ts';
import { parsePatch } from '../../../daemon/files/patch-parse.ts';

const apply = (text: string, hunks: string) =>
  applyHunks(text, parsePatch(`--- f\n+++ f\n${hunks}`, undefined)[0]!.hunks, new PatchEffort(100));
const applyV4a = (text: string, hunks: string) =>
  applyHunks(text, parsePatch(`*** Update File: f\n${hunks}`, undefined)[0]!.hunks, new PatchEffort(100));
const ABC = 'a\nb\nc\nd\ne\nf\n';

describe('a unified hunk', () => {
  test.each<[string, string, string, string, { offset: number; fuzz: number }]>([
    ['applies at its line', ABC, '@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n', 'a\nb\nC\nd\ne\nf\n', { offset: 0, fuzz: 0 }],
    ['applies elsewhere if it is there', ABC, '@@ -5,3 +5,3 @@\n b\n-c\n+C\n d\n', 'a\nb\nC\nd\ne\nf\n', { offset: 3, fuzz: 0 }],
    ['takes the nearest of several places', 'x\n1\nx\n2\nx\n3\n', '@@ -3 +3 @@\n-x\n+y\n', 'x\n1\ny\n2\nx\n3\n', { offset: 0, fuzz: 0 }],
    [
      'follows the offset of the hunk before',
      `0\n${ABC}c\n`,
      '@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-c\n+C\n',
      '0\nA\nb\nC\nd\ne\nf\nc\n',
      { offset: 1, fuzz: 0 },
    ],
    ['gives up a context line at each end', ABC, '@@ -2,3 +2,3 @@\n X\n-c\n+C\n Y\n', 'a\nb\nC\nd\ne\nf\n', { offset: 0, fuzz: 1 }],
    ['gives up two', ABC, '@@ -1,5 +1,5 @@\n X\n X\n-c\n+C\n Y\n Y\n', 'a\nb\nC\nd\ne\nf\n', { offset: 0, fuzz: 2 }],
    ['without context goes after its line', ABC, '@@ -2,0 +3 @@\n+x\n', 'a\nb\nx\nc\nd\ne\nf\n', { offset: 0, fuzz: 0 }],
    ['goes to the top of a file', ABC, '@@ -0,0 +1 @@\n+x\n', `x\n${ABC}`, { offset: 0, fuzz: 0 }],
    ['with wrong counts is what it looks like', ABC, '@@ -2,9 +2,1 @@\n b\n-c\n+C\n+D\n', 'a\nb\nC\nD\nd\ne\nf\n', { offset: 0, fuzz: 0 }],
    ['with counts too small loses nothing', ABC, '@@ -2,1 +2,1 @@\n b\n-c\n+C\n', 'a\nb\nC\nd\ne\nf\n', { offset: 0, fuzz: 0 }],
    ['may have lost the blank of an empty line', 'a\n\nb\n', '@@ -1,3 +1,3 @@\n a\n\n-b\n+B\n', 'a\n\nB\n', { offset: 0, fuzz: 0 }],
    ['takes a newline from the end', 'a\nb\n', '@@ -2 +2 @@\n-b\n+b\n\\ No newline at end of file\n', 'a\nb', { offset: 0, fuzz: 0 }],
    ['gives the end a newline', 'a\nb', '@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+b\n', 'a\nb\n', { offset: 0, fuzz: 0 }],
    ['leaves a missing newline missing if it does not know of it', 'a\nb', '@@ -2 +2 @@\n-b\n+c\n', 'a\nc', { offset: 0, fuzz: 0 }],
    ['ends a line that is no longer the last', 'a\nb', '@@ -2 +2,2 @@\n b\n+c\n', 'a\nb\nc', { offset: 0, fuzz: 0 }],
    ['of LF leaves CRLF', 'a\r\nb\r\n', '@@ -1,2 +1,3 @@\n a\n-b\n+x\n+y\n', 'a\r\nx\r\ny\r\n', { offset: 0, fuzz: 0 }],
    ['that turns LF into CRLF does so', 'a\nb\n', '@@ -1,2 +1,2 @@\n a\n-b\n+b\r\n', 'a\nb\r\n', { offset: 0, fuzz: 0 }],
    ['without numbers applies where it matches first', ABC, '@@\n c\n-d\n+D\n', 'a\nb\nc\nD\ne\nf\n', { offset: 0, fuzz: 0 }],
  ])('%s', (_, text, hunks, expected, { offset, fuzz }) => {
    expect(apply(text, hunks)).toMatchObject({ verdict: 'applied', text: expected, offset, fuzz });
  });

  test.each<[string, string, string, string]>([
    ['is not there', ABC, '@@ -2 +2 @@\n-q\n+Q\n', 'hunk 1 of 1 (line 2) does not match'],
    [
      'comes before the one before it',
      'a\nb\n',
      '@@ -2 +2 @@\n-b\n+B\n@@ -1 +1 @@\n-a\n+A\n',
      'hunk 2 of 2 (line 1) does not match; nearest line 1: "a"',
    ],
    ['lies behind the end', ABC, '@@ -9,0 +10 @@\n+x\n', 'hunk 1 of 1 (line 9) lies outside the file, which has 6 lines'],
    [
      'differs in what it removes',
      'one two\n',
      '@@ -1 +1 @@\n-one too\n+x\n',
      'hunk 1 of 1 (line 1) does not match; nearest line 1: "one two"',
    ],
    ['would lose all its lines to fuzz', 'a\n', '@@ -1,2 +1,3 @@\n X\n+n\n Y\n', 'hunk 1 of 1 (line 1) does not match'],
    ['has three lines of context that differ', ABC, '@@ -1,4 +1,4 @@\n X\n Y\n Z\n-d\n+D\n', 'hunk 1 of 1 (line 1) does not match'],
  ])('that %s does not apply', (_, text, hunks, reason) => {
    expect(apply(text, hunks)).toEqual({ verdict: 'mismatch', reason });
  });
});

describe('a V4A hunk', () => {
  const CODE = 'class A:\n    def f():\n        pass\nclass B:\n    def f():\n        pass\n';
  test.each<[string, string, string, string, number]>([
    ['applies at the first place', 'x\nx\n', '@@\n-x\n+y\n', 'y\nx\n', 0],
    [
      'applies after its anchor',
      CODE,
      '@@ class B:\n     def f():\n-        pass\n+        return\n',
      CODE.replace(/pass\n$/, 'return\n'),
      0,
    ],
    [
      'applies after several anchors',
      CODE,
      '@@ class B:\n@@     def f():\n-        pass\n+        return\n',
      CODE.replace(/pass\n$/, 'return\n'),
      0,
    ],
    [
      'takes an anchor with other white space',
      CODE,
      '@@ class B:  \n@@ def f():\n-        pass\n+        return\n',
      CODE.replace(/pass\n$/, 'return\n'),
      0,
    ],
    ['goes on after the one before', 'x\na\nx\n', '@@\n-x\n+1\n@@\n-x\n+2\n', '1\na\n2\n', 0],
    ['needs no @@ at first', 'a\nb\n', ' a\n-b\n+c\n', 'a\nc\n', 0],
    ['matches lines with blanks at their ends', 'a  \nb\n', '@@\n a\n-b\n+c\n', 'a  \nc\n', 1],
    ['matches lines of other indentation', '\ta\n', '@@\n-  a\n+  b\n', '  b\n', 1],
    ['at the end of the file prefers the end', 'x\ny\nx\n', '@@\n-x\n+z\n*** End of File\n', 'x\ny\nz\n', 0],
    ['of + lines at the end appends', 'a\n', '@@\n+b\n*** End of File\n', 'a\nb\n', 0],
    ['of + lines goes after its anchor', 'a\nb\n', '@@ a\n+x\n', 'a\nx\nb\n', 0],
    ['leaves a missing newline missing', 'a', '@@\n-a\n+b\n', 'b', 0],
    ['leaves CRLF', 'a\r\nb\r\n', '@@\n a\n-b\n+c\n', 'a\r\nc\r\n', 0],
  ])('%s', (_, text, hunks, expected, fuzz) => {
    expect(applyV4a(text, hunks)).toMatchObject({ verdict: 'applied', text: expected, fuzz });
  });

  test.each([
    ['whose lines are not there', 'a\n', '@@\n-q\n', 'hunk 1 of 1 does not match'],
    [
      'whose anchor is not there',
      'class Shape {\n',
      '@@ class Shapes {\n+x\n',
      'hunk 1 of 1: the line of its @@ does not occur; nearest line 1: "class Shape {"',
    ],
    ['whose place is before the one before', 'a\nb\n', '@@\n-b\n+c\n@@\n-a\n+d\n', 'hunk 2 of 2 does not match; nearest line 1: "a"'],
  ])('%s does not apply', (_, text, hunks, reason) => {
    expect(applyV4a(text, hunks)).toEqual({ verdict: 'mismatch', reason });
  });
});
