// What the client library promises of files.

import { createHash, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../client/index.ts';
import { errorOf, MIB, type ClientSubject } from './client-subject.ts';

export function fileClaims(subject: ClientSubject): void {
  let sandbox: Sandbox;

  beforeAll(() => {
    ({ sandbox } = subject);
  });

  describe('files', () => {
    test('are written and read whole, parents created', async () => {
      const stat = await sandbox.files.write('made/here/text.txt', 'héllo\n', { mode: 0o640 });
      expect(stat).toMatchObject({ kind: 'file', size: 7, mode: 0o640 });
      expect(await sandbox.files.readText('made/here/text.txt')).toBe('héllo\n');
      expect(await sandbox.files.readText('/workspace/made/here/text.txt', { offset: 3, length: 3 })).toBe('llo');
    });

    test('of any size come back as they were, also streamed', async () => {
      const bytes = randomBytes(5 * MIB + 13);
      await sandbox.files.write('big.bin', bytes);
      expect(Buffer.compare(await sandbox.files.read('big.bin'), bytes)).toBe(0);
      const hash = createHash('sha256');
      for await (const part of sandbox.files.readStream('big.bin')) hash.update(part);
      expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
      async function* parts(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.byteLength; at += 70_000) yield bytes.subarray(at, at + 70_000);
      }
      await sandbox.files.write('copy.bin', parts());
      expect((await sandbox.exec('cmp big.bin copy.bin')).exitCode).toBe(0);
    });

    test('may be empty', async () => {
      await sandbox.files.write('empty', '');
      expect((await sandbox.files.read('empty')).byteLength).toBe(0);
    });

    test('a reader that stops early disturbs nothing', async () => {
      await sandbox.files.write('long', Buffer.alloc(4 * MIB));
      for await (const _ of sandbox.files.readStream('long')) break;
      expect((await sandbox.files.stat('long')).size).toBe(4 * MIB);
    });

    test('a source that fails leaves the old content in place', async () => {
      await sandbox.files.write('target.txt', 'old');
      async function* failing(): AsyncGenerator<string> {
        yield 'new';
        throw new Error('the disk is gone');
      }
      expect(await errorOf(sandbox.files.write('target.txt', failing()))).toBe('SOURCE_FAILED');
      expect(await sandbox.files.readText('target.txt')).toBe('old');
    });

    test('append, exclusive and ifMatch do what they say', async () => {
      await sandbox.files.write('log', 'a');
      await sandbox.files.write('log', 'b', { append: true });
      expect(await sandbox.files.readText('log')).toBe('ab');
      expect(await errorOf(sandbox.files.write('log', 'c', { exclusive: true }))).toBe('FILE_EXISTS');
      const sha256 = createHash('sha256').update('ab').digest('hex');
      await sandbox.files.write('log', 'd', { ifMatch: sha256 });
      expect(await errorOf(sandbox.files.write('log', 'e', { ifMatch: sha256 }))).toBe('NO_MATCH');
    });

    test('are listed, moved, copied, linked, changed and removed', async () => {
      const { files } = sandbox;
      await files.write('tree/a.txt', 'a');
      await files.mkdir('tree/sub');
      await files.copy('tree/a.txt', 'tree/sub/b.txt');
      await files.move('tree/a.txt', 'tree/c.txt');
      await files.symlink('c.txt', 'tree/link');
      await files.chmod('tree/c.txt', 0o600);
      expect(await files.readlink('tree/link')).toBe('c.txt');
      const { entries, truncated } = await files.list('tree', { recursive: true });
      expect(entries.map(({ path, kind }) => `${kind} ${path}`).toSorted()).toEqual([
        'directory sub',
        'file c.txt',
        'file sub/b.txt',
        'symlink link',
      ]);
      expect(truncated).toBe(false);
      expect(await files.list('tree', { limit: 1 })).toMatchObject({ truncated: true });
      expect(await files.stat('tree/c.txt')).toMatchObject({ kind: 'file', mode: 0o600, size: 1 });
      expect(await files.stat('tree/link', { followSymlink: false })).toMatchObject({ kind: 'symlink' });
      await files.remove('tree', { recursive: true });
      expect(await files.exists('tree')).toBe(false);
    });

    test.each([
      ['reading what is not there', 'FILE_NOT_FOUND', (box: Sandbox) => box.files.read('nothing')],
      ['reading a directory', 'IS_DIRECTORY', (box: Sandbox) => box.files.read('.')],
      ['leaving the workspace by ..', 'PATH_ESCAPES_WORKSPACE', (box: Sandbox) => box.files.read('../etc/passwd')],
      ['leaving the workspace by an absolute path', 'PATH_ESCAPES_WORKSPACE', (box: Sandbox) => box.files.exists('/etc/passwd')],
      ['removing what is not there', 'FILE_NOT_FOUND', (box: Sandbox) => box.files.remove('nothing')],
    ])('%s is %s', async (_, code, call) => {
      expect(await errorOf(call(sandbox))).toBe(code);
    });
  });
}
