// What the client library promises of text in files.

import { beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { errorOf, type ClientSubject } from './client-subject.ts';

export function textClaims(subject: ClientSubject): void {
  let sandbox: Sandbox;

  beforeAll(() => {
    ({ sandbox } = subject);
  });

  describe('text', () => {
    test('is edited where it occurs once, and the file stays what it was otherwise', async () => {
      const { files } = sandbox;
      await files.write('text/a.txt', '\ufeffone\r\ntwo\r\n', { mode: 0o750 });
      const { replacements, edits, encoding, stat } = await files.edit('text/a.txt', { oldText: 'two', newText: 'zwei\ndrei' });
      expect({ replacements, edits, encoding, mode: stat.mode }).toEqual({
        replacements: 1,
        edits: [{ replacements: 1, lines: [2] }],
        encoding: 'utf-8-bom',
        mode: 0o750,
      });
      expect(await files.readText('text/a.txt')).toBe('\ufeffone\r\nzwei\r\ndrei\r\n');
    });

    test('is edited several times in one write, or not at all', async () => {
      const { files } = sandbox;
      await files.write('text/b.txt', 'a b\na\n');
      const edits = [
        { oldText: 'a', newText: 'c', replaceAll: true },
        { oldText: 'c b', newText: 'd' },
      ];
      expect(await files.edit('text/b.txt', edits)).toMatchObject({ replacements: 3 });
      expect(await files.readText('text/b.txt')).toBe('d\nc\n');
      expect(await errorOf(files.edit('text/b.txt', [...edits.slice(1), { oldText: 'd', newText: 'e' }]))).toBe('NO_MATCH');
      expect(await files.readText('text/b.txt')).toBe('d\nc\n');
    });

    test('edited at once by many loses no edit', async () => {
      const { files } = sandbox;
      await files.write('text/many.txt', Array.from({ length: 20 }, (_, index) => `<${index}>\n`).join(''));
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => files.edit('text/many.txt', { oldText: `<${index}>`, newText: `${index}!` })),
      );
      expect(await files.readText('text/many.txt')).toBe(Array.from({ length: 20 }, (_, index) => `${index}!\n`).join(''));
    });

    test('is edited through a symlink, which stays one', async () => {
      const { files } = sandbox;
      await files.write('text/target.txt', 'a\n');
      await files.symlink('target.txt', 'text/link.txt');
      await files.edit('text/link.txt', { oldText: 'a', newText: 'b' });
      expect(await files.readText('text/target.txt')).toBe('b\n');
      expect(await files.stat('text/link.txt', { followSymlink: false })).toMatchObject({ kind: 'symlink' });
    });

    test('is inserted by line and undone once', async () => {
      const { files } = sandbox;
      await files.write('text/c.txt', 'a\nb\n');
      expect(await files.insert('text/c.txt', { line: 1, text: 'x' })).toMatchObject({ startLine: 2, endLine: 2, totalLines: 3 });
      expect(await files.readText('text/c.txt')).toBe('a\nx\nb\n');
      expect(await files.undoEdit('text/c.txt')).toEqual({ path: 'text/c.txt', action: 'restored' });
      expect(await files.readText('text/c.txt')).toBe('a\nb\n');
      expect(await errorOf(files.undoEdit('text/c.txt'))).toBe('INVALID_REQUEST');
    });

    test('is patched in several files, by unified diff and by V4A', async () => {
      const { files } = sandbox;
      await files.write('patched/old.txt', 'a\nb\nc\n', { mode: 0o755 });
      await files.write('patched/gone.txt', 'x\n');
      const { files: changed } = await files.patch(
        [
          'diff --git a/patched/old.txt b/patched/new.txt',
          'rename from patched/old.txt',
          'rename to patched/new.txt',
          '--- a/patched/old.txt',
          '+++ b/patched/new.txt',
          '@@ -1,3 +1,3 @@',
          ' a',
          '-b',
          '+B',
          ' c',
          '--- a/patched/gone.txt',
          '+++ /dev/null',
          '@@ -1 +0,0 @@',
          '-x',
          '--- /dev/null',
          '+++ b/patched/deep/made.txt',
          '@@ -0,0 +1 @@',
          '+made',
          '',
        ].join('\n'),
      );
      expect(changed.map(({ path, action }) => `${action} ${path}`)).toEqual([
        'renamed patched/new.txt',
        'deleted patched/gone.txt',
        'created patched/deep/made.txt',
      ]);
      await files.patch('*** Begin Patch\n*** Update File: patched/new.txt\n@@ a\n-B\n+bee\n*** End Patch');
      await files.patch('@@\n-c\n+see\n', { path: 'patched/new.txt' });
      expect(await files.readText('patched/new.txt')).toBe('a\nbee\nsee\n');
      expect(await files.stat('patched/new.txt')).toMatchObject({ mode: 0o755 });
      expect(
        (await files.list('patched', { recursive: true })).entries
          .filter(({ kind }) => kind === 'file')
          .map(({ path }) => path)
          .toSorted(),
      ).toEqual(['deep/made.txt', 'new.txt']);
      const failing = '--- a/patched/new.txt\n+++ b/patched/new.txt\n@@ -1 +1 @@\n-a\n+A\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+b\n';
      expect(await errorOf(files.patch(failing))).toBe('FILE_NOT_FOUND');
      expect(await files.readText('patched/new.txt')).toBe('a\nbee\nsee\n');
    });

    test('is viewed with line numbers, and directories two levels deep without hidden entries', async () => {
      const { files } = sandbox;
      await files.write('seen/one.txt', 'a\nb\nc\n');
      expect(await files.view('seen/one.txt', { startLine: 2 })).toMatchObject({
        kind: 'file',
        text: '     2\tb\n     3\tc',
        startLine: 2,
        endLine: 3,
        totalLines: 3,
      });
      await files.write('seen/sub/two/three.txt', '');
      await files.write('seen/.hidden/file', '');
      await files.write('seen/sub/.file', '');
      expect(await files.view('seen')).toMatchObject({ kind: 'directory', text: 'one.txt\nsub/\nsub/two/', truncated: false });
    });

    test('is read by lines', async () => {
      const { files } = sandbox;
      await files.write('text/lines.txt', 'a\r\nb\r\nc');
      expect(await files.readText('text/lines.txt', { startLine: 2 })).toBe('b\r\nc');
      expect(await files.readText('text/lines.txt', { endLine: 1 })).toBe('a\r\n');
      await files.write('text/long.txt', 'line\n'.repeat(100_000));
      expect(await errorOf(files.readText('text/long.txt', { startLine: 1 }))).toBe('TOO_LARGE');
      await files.write('text/wide.txt', Buffer.from('\ufeffwide\n', 'utf16le'));
      expect(await files.readText('text/wide.txt')).toBe('wide\n');
    });

    test.each<[string, string, (box: Sandbox) => Promise<unknown>]>([
      ['editing text that is not there', 'NO_MATCH', (box) => box.files.edit('errors.txt', { oldText: 'q', newText: '' })],
      ['editing text that is there twice', 'AMBIGUOUS_MATCH', (box) => box.files.edit('errors.txt', { oldText: 'same', newText: '' })],
      ['editing nothing into nothing', 'INVALID_REQUEST', (box) => box.files.edit('errors.txt', { oldText: '', newText: '' })],
      ['editing without an edit', 'INVALID_REQUEST', (box) => box.files.edit('errors.txt', [])],
      ['editing what is not there', 'FILE_NOT_FOUND', (box) => box.files.edit('nothing', { oldText: 'a', newText: 'b' })],
      ['editing a directory', 'IS_DIRECTORY', (box) => box.files.edit('.', { oldText: 'a', newText: 'b' })],
      ['editing a binary file', 'INVALID_REQUEST', (box) => box.files.edit('binary', { oldText: 'a', newText: 'b' })],
      ['editing a file over the limit', 'TOO_LARGE', (box) => box.files.edit('large.txt', { oldText: 'a', newText: 'b' })],
      ['editing outside the workspace', 'PATH_ESCAPES_WORKSPACE', (box) => box.files.edit('../x', { oldText: 'a', newText: 'b' })],
      ['inserting behind the end', 'INVALID_REQUEST', (box) => box.files.insert('errors.txt', { line: 9, text: 'x' })],
      ['viewing a binary file', 'INVALID_REQUEST', (box) => box.files.view('binary')],
      ['viewing from behind the end', 'INVALID_REQUEST', (box) => box.files.view('errors.txt', { startLine: 9 })],
      ['viewing what is not there', 'FILE_NOT_FOUND', (box) => box.files.view('nothing')],
      ['reading lines of a directory', 'IS_DIRECTORY', (box) => box.files.readText('.', { startLine: 1 })],
      ['patching with no patch', 'INVALID_REQUEST', (box) => box.files.patch('hello')],
      ['patching outside the workspace', 'PATH_ESCAPES_WORKSPACE', (box) => box.files.patch('*** Add File: ../x\n+a\n')],
      ['undoing what was never edited', 'INVALID_REQUEST', (box) => box.files.undoEdit('errors.txt')],
    ])('%s is %s', async (_, code, call) => {
      await sandbox.files.write('errors.txt', 'same\nsame\n');
      await sandbox.files.write('binary', Buffer.from([0x7f, 0, 1]));
      if (code === 'TOO_LARGE') await sandbox.files.write('large.txt', Buffer.alloc(4 * 1024 * 1024 + 1, 'a'));
      expect(await errorOf(call(sandbox))).toBe(code);
    });

    test('errors say where and what to do', async () => {
      await sandbox.files.write('errors.txt', 'same\nsame\nconst x = 1;\n');
      await expect(sandbox.files.edit('errors.txt', { oldText: 'const x = 2;', newText: '' })).rejects.toMatchObject({
        message: 'Cannot edit "errors.txt": the text occurs 0 times; nearest line 3: "const x = 1;"',
      });
      await expect(sandbox.files.edit('errors.txt', { oldText: 'same', newText: '' })).rejects.toMatchObject({
        message: 'Cannot edit "errors.txt": the text occurs 2 times, on lines 1, 2',
        hint: 'Add context so that exactly one place matches, or set replaceAll.',
      });
    });
  });
}
