// The last edit of a file is taken back, once, and only while the file is as that edit left it.

import { describe, expect, test } from 'vitest';
import { TextFiles } from '../../../daemon/files/text-files.ts';
import { refusal } from '../../support/fake-sandbox.ts';
import { MemoryStore } from '../../support/text-store.ts';

const on = (files: Readonly<Record<string, string | Uint8Array>>) => {
  const store = new MemoryStore(files);
  return { store, text: new TextFiles(store) };
};
const one = (oldText: string, newText: string) => [{ oldText, newText, replaceAll: false }];
const CHANGE = '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n';

describe('undo', () => {
  test.each<[string, Record<string, string>, (text: TextFiles) => Promise<unknown>, string, string]>([
    ['of an edit restores', { f: 'a\n' }, (text) => text.edit('f', one('a', 'b')), 'f', 'restored'],
    ['of an insert restores', { f: 'a\n' }, (text) => text.insert('f', 1, 'x'), 'f', 'restored'],
    ['of a patch restores', { f: 'a\n' }, (text) => text.patch(CHANGE, undefined), 'f', 'restored'],
    ['of a file made removes it', {}, (text) => text.patch('--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n', undefined), 'n', 'removed'],
    ['of a deletion makes the file again', { f: 'a\n' }, (text) => text.patch('*** Delete File: f', undefined), 'f', 'recreated'],
    ['of a rename moves back', { f: 'a\n' }, (text) => text.patch('*** Update File: f\n*** Move to: g\n', undefined), 'g', 'restored'],
  ])('%s, and only once', async (_, files, act, path, action) => {
    const { store, text } = on(files);
    await act(text);
    expect(await text.undoEdit(path)).toMatchObject({ action });
    expect(Object.fromEntries([...store.files.keys()].map((name) => [name, store.text(name)]))).toEqual(files);
    expect(await refusal(text.undoEdit(path))).toBe('INVALID_REQUEST: no edit of it is remembered');
  });

  test('takes back the last of two edits', async () => {
    const { store, text } = on({ f: 'a\n' });
    await text.edit('f', one('a', 'b'));
    await text.edit('f', one('b', 'c'));
    await text.undoEdit('/workspace/f');
    expect(store.text('f')).toBe('b\n');
  });

  test.each<[string, (text: TextFiles) => Promise<unknown>, string]>([
    ['an edited file', (text) => text.edit('f', one('a', 'b')), 'f'],
    ['a renamed file', (text) => text.patch('*** Update File: f\n*** Move to: g\n', undefined), 'g'],
    ['a file made by a patch', (text) => text.patch('*** Add File: n\n+x\n', undefined), 'n'],
  ])('of %s that was written since changes nothing', async (_, act, path) => {
    const { store, text } = on({ f: 'a\n' });
    await act(text);
    store.put(path, 'somebody else\n');
    const before = [...store.files.keys()];
    expect(await refusal(text.undoEdit(path))).toBe('NO_MATCH: the file was changed since');
    expect(store.text(path)).toBe('somebody else\n');
    expect([...store.files.keys()]).toEqual(before);
  });

  test('remembers 32 MiB, and forgets the oldest first', async () => {
    const big = `a${'x'.repeat(4 * 1024 * 1024 - 10)}`;
    const names = Array.from({ length: 9 }, (_, index) => `f${index}`);
    const { text } = on(Object.fromEntries(names.map((name) => [name, big])));
    for (const name of names) await text.edit(name, one('ax', 'bx'));
    expect(await refusal(text.undoEdit('f0'))).toBe('INVALID_REQUEST: no edit of it is remembered');
    expect(await refusal(text.undoEdit('f1'))).toBe('no error');
  });

  test('remembers 200 files', async () => {
    const { text } = on({ f: 'a\n' });
    for (let index = 0; index <= 200; index += 1) await text.patch(`*** Add File: n${index}\n+x\n`, undefined);
    expect(await refusal(text.undoEdit('n0'))).toBe('INVALID_REQUEST: no edit of it is remembered');
    expect(await refusal(text.undoEdit('n1'))).toBe('no error');
  });
});
