// The text verbs on a store that others write to: nothing is lost, a patch is whole or not at all, undo takes one step back.

import { describe, expect, test } from 'vitest';
import { createTwoFilesPatch } from 'diff';
import { TextFiles } from '../../../daemon/files/text-files.ts';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { refusal } from '../../support/fake-sandbox.ts';
import { MemoryStore } from '../../support/text-store.ts';

const on = (files: Readonly<Record<string, string | Uint8Array>>) => {
  const store = new MemoryStore(files);
  return { store, text: new TextFiles(store) };
};
const one = (oldText: string, newText: string) => [{ oldText, newText, replaceAll: false }];
const HUNK = '@@ -1 +1 @@\n-a\n+b\n';
const change = (path: string): string => `--- a/${path}\n+++ b/${path}\n${HUNK}`;

describe('edits at once', () => {
  test('of one file are all made', async () => {
    const { store, text } = on({ f: Array.from({ length: 50 }, (_, index) => `<${index}>\n`).join('') });
    await Promise.all(Array.from({ length: 50 }, (_, index) => text.edit('f', one(`<${index}>`, `[${index}]`))));
    expect(store.text('f')).toBe(Array.from({ length: 50 }, (_, index) => `[${index}]\n`).join(''));
  });

  test('with a process that writes the file are made on what it wrote', async () => {
    const { store, text } = on({ f: 'a\n' });
    let times = 0;
    store.before = () => {
      times += 1;
      if (times < 4) store.put('f', `${store.text('f')}more ${times}\n`);
    };
    await text.edit('f', one('a', 'b'));
    expect(store.text('f')).toBe('b\nmore 1\nmore 2\nmore 3\n');
  });

  test('give up when the file never stays', async () => {
    const { store, text } = on({ f: 'a\n' });
    store.before = () => store.put('f', `${store.text('f')}x`);
    expect(await refusal(text.edit('f', one('a', 'b')))).toBe('NO_MATCH: its content is not what ifMatch expects');
    expect(store.text('f')).toBe('a\nxxxxx');
  });

  test('wait for each other, 100 at most', async () => {
    const { text } = on({ f: 'a\n' });
    const outcomes = await Promise.all(Array.from({ length: 101 }, () => refusal(text.insert('f', 0, 'x'))));
    expect(outcomes.filter((outcome) => outcome === 'no error')).toHaveLength(100);
    expect(outcomes.at(-1)).toBe('QUOTA_EXCEEDED: 100 changes of text are waiting already');
    expect(await refusal(text.insert('f', 0, 'x'))).toBe('no error');
  });
});

describe('an edit', () => {
  test('keeps mark, encoding, line ends and mode', async () => {
    const { store, text } = on({});
    store.put('bom', Buffer.from('\ufeffé\r\nb\r\n'), 0o755);
    store.put('wide', Buffer.from('\ufeffä\n', 'utf16le'));
    store.put('latin', Buffer.from('é\n', 'latin1'));
    expect(await text.edit('bom', one('b', 'c\nd'))).toMatchObject({ encoding: 'utf-8-bom', replacements: 1 });
    expect(await text.edit('wide', one('ä', 'ö'))).toMatchObject({ encoding: 'utf-16le' });
    expect(await text.edit('latin', one('é', 'è'))).toMatchObject({ encoding: 'latin-1' });
    expect(store.text('bom')).toBe('\ufeffé\r\nc\r\nd\r\n');
    expect(store.files.get('bom')?.mode).toBe(0o755);
    expect(store.files.get('wide')?.bytes.toString('utf16le')).toBe('\ufeffö\n');
    expect(store.files.get('latin')?.bytes.toString('latin1')).toBe('è\n');
  });

  test('through a symlink changes its target and leaves the link', async () => {
    const { store, text } = on({ 'dir/f': 'a\n' });
    store.links.set('link', 'dir/f');
    await text.edit('link', one('a', 'b'));
    expect(store.text('dir/f')).toBe('b\n');
    expect(store.files.has('link')).toBe(false);
  });

  test('through a symlink asks for its target by name, and writes nothing if that is refused', async () => {
    const { store, text } = on({ 'dir/f': 'a\n' });
    store.links.set('link', 'dir/f');
    const asked: string[] = [];
    const refuse = (path: string): never => {
      asked.push(path);
      throw new SandboxError('PERMISSION_DENIED', `Cannot edit ${path}: a rule`);
    };
    expect(await refusal(text.edit('link', one('a', 'b'), refuse))).toBe('PERMISSION_DENIED: a rule');
    expect(await refusal(text.patch('@@\n-a\n+b\n', 'link', refuse))).toContain('PERMISSION_DENIED');
    expect(await refusal(text.edit('dir/f', one('a', 'b'), refuse))).toBe('no error');
    expect(asked).toEqual(['dir/f', 'dir/f']);
  });

  test.each<[string, Record<string, string | Uint8Array>, string]>([
    ['what is not there', {}, 'FILE_NOT_FOUND: there is no such file'],
    ['a directory', { 'f/g': '' }, 'IS_DIRECTORY: it is a directory'],
    ['a binary file', { f: Buffer.from([1, 0, 2]) }, 'INVALID_REQUEST: it is a binary file, not text'],
    ['a file over 4 MiB', { f: 'a'.repeat(4 * 1024 * 1024 + 1) }, 'TOO_LARGE: it is larger than 4194304 bytes'],
  ])('of %s is refused', async (_, files, reason) => {
    expect(await refusal(on(files).text.edit('f', one('a', 'b')))).toBe(reason);
  });

  test.each([
    ['out of the workspace', '../f', 'PATH_ESCAPES_WORKSPACE: it leads out of the workspace'],
    ['in a circle of symlinks', 'loop', 'PATH_ESCAPES_WORKSPACE: it has too many symlinks'],
    ['out of it by a symlink', 'out', 'PATH_ESCAPES_WORKSPACE: it leads out of the workspace'],
  ])('%s is refused', async (_, path, reason) => {
    const { store, text } = on({ f: 'a' });
    store.links.set('loop', 'loop');
    store.links.set('out', '../../etc/passwd');
    expect(await refusal(text.edit(path, one('a', 'b')))).toBe(reason);
    expect(await refusal(text.undoEdit(path))).not.toBe('no error');
  });
});

describe('a patch', () => {
  test('makes, changes, renames and deletes, and says so', async () => {
    const { store, text } = on({ c: 'a\n', r: 'a\n', d: 'a\n' });
    store.put('r', 'a\n', 0o755);
    const result = await text.patch(
      [
        change('c'),
        '--- /dev/null\n+++ b/new/n\n@@ -0,0 +1,2 @@\n+x\n+y\n',
        `diff --git a/r b/moved\nrename from r\nrename to moved\n--- a/r\n+++ b/moved\n${HUNK}`,
        '--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n',
      ].join(''),
      undefined,
    );
    expect(result.files).toEqual([
      { path: 'c', action: 'changed', hunks: 1, added: 1, removed: 1, offset: 0, fuzz: 0 },
      { path: 'new/n', action: 'created', hunks: 1, added: 2, removed: 0, offset: 0, fuzz: 0 },
      { path: 'moved', from: 'r', action: 'renamed', hunks: 1, added: 1, removed: 1, offset: 0, fuzz: 0 },
      { path: 'd', action: 'deleted', hunks: 1, added: 0, removed: 1, offset: 0, fuzz: 0 },
    ]);
    expect(
      Object.fromEntries([...store.files].map(([path, { bytes, mode }]) => [path, `${mode.toString(8)} ${bytes.toString()}`])),
    ).toEqual({
      c: '644 b\n',
      'new/n': '644 x\ny\n',
      moved: '755 b\n',
    });
  });

  test('sees what it did to a file before', async () => {
    const { store, text } = on({ f: 'a\n' });
    const result = await text.patch(`${change('f')}--- a/f\n+++ b/f\n@@ -1 +1 @@\n-b\n+c\n`, undefined);
    expect(result.files.map(({ action }) => action)).toEqual(['changed', 'changed']);
    expect(store.text('f')).toBe('c\n');
    expect(store.writes).toEqual(['f']);
  });

  test.each<[string, string, Record<string, string | Uint8Array>, string, string | undefined]>([
    ['of V4A', '*** Begin Patch\n*** Update File: f\n@@\n-a\n+b\n*** End Patch', { f: 'a\n' }, 'b\n', undefined],
    ['of bare hunks for a named file', '@@\n-a\n+b\n', { f: 'a\n' }, 'b\n', 'f'],
    ['of + lines for a file that is not there', '+a\n+b\n', {}, 'a\nb\n', 'f'],
    ['of a backup name', `--- f.orig\n+++ f\n${HUNK}`, { f: 'a\n' }, 'b\n', undefined],
    ['whose first name alone is there', `--- f\n+++ f.new\n${HUNK}`, { f: 'a\n' }, 'b\n', undefined],
  ])('%s applies', async (_, patch, files, expected, path) => {
    const { store, text } = on(files);
    await text.patch(patch, path);
    expect(store.text('f')).toBe(expected);
  });

  test.each<[string, string, Record<string, string | Uint8Array>, string]>([
    ['of a file that is not there', change('f'), {}, 'FILE_NOT_FOUND: "f": there is no such file'],
    [
      'that makes what exists',
      '--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n',
      { f: '' },
      'FILE_EXISTS: "f": the patch makes it, and it exists already',
    ],
    [
      'that renames onto what exists',
      'diff --git a/f b/g\nrename from f\nrename to g\n',
      { f: '', g: '' },
      'FILE_EXISTS: "g": the patch makes it, and it exists already',
    ],
    ['that does not fit', change('f'), { f: 'q\n' }, 'NO_MATCH: "f": hunk 1 of 1 (line 1) does not match'],
    [
      'that deletes less than there is',
      '--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n',
      { f: 'a\nb\n' },
      'NO_MATCH: "f": the file has more than the patch deletes',
    ],
    ['of a binary file', change('f'), { f: Buffer.from([0]) }, 'INVALID_REQUEST: "f": it is a binary file, not text'],
    ['out of the workspace', `--- ../f\n+++ ../f\n${HUNK}`, {}, 'PATH_ESCAPES_WORKSPACE: it leads out of the workspace'],
    ['of a directory', change('f'), { 'f/g': '' }, 'IS_DIRECTORY: "f": it is a directory'],
    ['of the workspace', `--- .\n+++ .\n${HUNK}`, {}, 'IS_DIRECTORY: ".": it is a directory'],
    ['of a file with too many lines', change('f'), { f: 'x\n'.repeat(200_001) }, 'TOO_LARGE: it has more than 200000 lines'],
  ])('%s is refused', async (_, patch, files, reason) => {
    const { store, text } = on(files);
    const outcome = await refusal(text.patch(patch, undefined));
    expect(outcome).toContain(reason.slice(reason.indexOf(': ') + 2));
    expect(outcome.slice(0, outcome.indexOf(':'))).toBe(reason.slice(0, reason.indexOf(':')));
    expect(store.writes).toEqual([]);
  });

  test('that does not fit one file changes none and names all it does not fit', async () => {
    const { store, text } = on({ f: 'a\n', g: 'q\n', h: 'q\n' });
    const error = await text.patch(change('f') + change('g') + change('h'), undefined).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'NO_MATCH' });
    expect(String(error)).toContain('Cannot patch 2 of 3 files, nothing was written: "g": hunk 1 of 1 (line 1) does not match');
    expect(String(error)).toContain('; "h": hunk 1 of 1');
    expect(store.writes).toEqual([]);
  });

  test('that fails in the middle is taken back', async () => {
    const { store, text } = on({ f: 'a\n', g: 'a\n' });
    store.before = (path) => {
      if (path === 'g') throw new SandboxError('WORKSPACE_FULL', 'Cannot write "g": no space is left');
    };
    const patch = `--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n${change('f')}${change('g')}`;
    expect(await refusal(text.patch(patch, undefined))).toBe('WORKSPACE_FULL: Cannot write "g": no space is left; nothing is changed');
    expect(Object.fromEntries([...store.files.keys()].map((path) => [path, store.text(path)]))).toEqual({ f: 'a\n', g: 'a\n' });
  });

  test('that cannot be taken back names what stays', async () => {
    const { store, text } = on({ f: 'a\n', g: 'a\n' });
    store.before = (path) => {
      if (path !== 'g') return;
      store.put('f', 'mine\n');
      throw new SandboxError('WORKSPACE_FULL', 'Cannot write "g": no space is left');
    };
    expect(await refusal(text.patch(change('f') + change('g'), undefined))).toMatch(/; these stay changed: "f"$/);
    expect(store.text('f')).toBe('mine\n');
  });

  test('on a file that is written meanwhile is made on what was written', async () => {
    const { store, text } = on({ f: 'a\n', g: 'a\n' });
    let isFirst = true;
    store.before = (path) => {
      if (path === 'g' && isFirst) store.put('g', 'top\na\n');
      if (path === 'g') isFirst = false;
    };
    expect((await text.patch(change('f') + change('g'), undefined)).files).toMatchObject([{ path: 'f' }, { path: 'g', offset: 1 }]);
    expect([store.text('f'), store.text('g')]).toEqual(['b\n', 'top\nb\n']);
  });

  test('over 32 MiB of files is refused before anything is written', async () => {
    const line = `${'x'.repeat(1000)}\n`;
    const big = `a\n${line.repeat(4000)}`;
    const { store, text } = on(Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`f${index}`, big])));
    const patch = Array.from({ length: 6 }, (_, index) => change(`f${index}`)).join('');
    expect(await refusal(text.patch(patch, undefined))).toBe('TOO_LARGE: its files take more than 33554432 bytes together');
    expect(store.writes).toEqual([]);
  });
});

test('a patch that jsdiff made gives what it was made for', async () => {
  const [before, after] = ['one\ntwo\nthree\n', 'one\n2\nthree\nfour\n'];
  const { store, text } = on({ f: before });
  await text.patch(createTwoFilesPatch('a/f', 'b/f', before, after), undefined);
  expect(store.text('f')).toBe(after);
});
