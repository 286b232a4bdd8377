// The file verbs' part of the link contract.

import { expect, test } from 'vitest';
import { SandboxFiles } from '../../daemon/files/sandbox-files.ts';
import { collect } from '../support/worker-files.ts';
import { run } from './link-run.ts';
import type { LinkHarness } from './link-run.ts';

export function linkFileContract(create: () => Promise<LinkHarness>): void {
  const open = async (): Promise<{ files: SandboxFiles } & AsyncDisposable> => {
    const harness = await create();
    return { files: new SandboxFiles(harness.link), [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
  };
  const text = async (files: SandboxFiles, path: string): Promise<string> => Buffer.from(await files.readAll(path)).toString();

  test('a file that is written is read back, in parts too', async () => {
    await using opened = await open();
    const { files } = opened;
    const stat = await files.write('a/b/c.txt', Buffer.from('hello world'), { mode: 0o600 });
    expect({ kind: stat.kind, size: stat.size, mode: stat.mode & 0o777 }).toEqual({ kind: 'file', size: 11, mode: 0o600 });
    expect(await text(files, '/workspace/a/b/../b/c.txt')).toBe('hello world');
    expect(Buffer.from(await files.readAll('a/b/c.txt', { offset: 6, length: 3 })).toString()).toBe('wor');
    await files.write('a/b/c.txt', Buffer.from('!'), { append: true });
    expect(await text(files, 'a/b/c.txt')).toBe('hello world!');
  });

  test('megabytes go both ways under the window', async () => {
    await using opened = await open();
    const { files } = opened;
    const parts = Array.from({ length: 50 }, (_, index) => Buffer.alloc(70_000, index));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* parts;
    }
    await files.write('big', source());
    const read = await files.readAll('big');
    expect(Buffer.from(read).equals(Buffer.concat(parts))).toBe(true);
    const { sha256, stat } = await files.hash('big');
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(stat.size).toBe(3_500_000);
  });

  test('files are found by name and by content, and what a limit left out is said', async () => {
    await using opened = await open();
    const { files } = opened;
    for (const path of ['a.ts', 'src/b.ts', 'src/deep/c.js']) await files.write(path, Buffer.from(`one\nfind ${path} 1\n`));
    const globbed = await collect(files.search.glob({ path: '.', pattern: ['**/*.{ts,js}', '!a.*'] }));
    expect(globbed.found.map(({ path }) => path)).toEqual(['src/b.ts', 'src/deep/c.js']);
    const grepped = await collect(files.search.grep({ path: 'src', pattern: '^find .*\\b\\d$', limit: 1 }));
    expect(grepped.found).toEqual([{ path: 'src/b.ts', line: 2, text: 'find src/b.ts 1', isMatch: true }]);
    expect(grepped.summary).toMatchObject({ matches: 1, truncated: true, omitted: ['limit'] });
  });

  test('a write whose source fails leaves no trace', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('kept', Buffer.from('old'));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new');
      throw new Error('source broke');
    }
    await expect(files.write('kept', source())).rejects.toThrow('source broke');
    expect(await text(files, 'kept')).toBe('old');
    expect((await files.list('.')).entries.map((entry) => entry.path)).toEqual(['kept']);
  });

  test('a read that is left early costs nothing later', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('big', Buffer.alloc(2_000_000));
    for (let round = 0; round < 20; round += 1) for await (const part of files.read('big')) if (part.byteLength > 0) break;
    expect((await files.stat('big')).size).toBe(2_000_000);
  });

  test('ifMatch and exclusive guard a write', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.write('f', Buffer.from('one'));
    const { sha256 } = await files.hash('f');
    await files.write('f', Buffer.from('two'), { ifMatch: sha256 });
    await expect(files.write('f', Buffer.from('three'), { ifMatch: sha256 })).rejects.toMatchObject({ code: 'NO_MATCH' });
    await expect(files.write('f', Buffer.from('x'), { exclusive: true })).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    expect(await text(files, 'f')).toBe('two');
  });

  test('a listing is sorted, bounded, and names symlink targets', async () => {
    await using opened = await open();
    const { files } = opened;
    for (const path of ['d/z', 'd/y/x', 'b', 'a']) await files.write(path, Buffer.from(path));
    await files.symlink('link', 'd/z');
    const flat = await files.list('.');
    expect(flat.entries.map((entry) => [entry.path, entry.kind])).toEqual([
      ['a', 'file'],
      ['b', 'file'],
      ['d', 'directory'],
      ['link', 'symlink'],
    ]);
    expect(flat.entries.at(-1)?.symlinkTarget).toBe('d/z');
    const deep = await files.list('', { recursive: true }).catch((error: { code: string }) => error.code);
    expect(deep).toBe('INVALID_REQUEST');
    expect((await files.list('/workspace', { recursive: true })).entries.map((entry) => entry.path)).toEqual([
      'a',
      'b',
      'd',
      'd/y',
      'd/y/x',
      'd/z',
      'link',
    ]);
    expect(await files.list('.', { recursive: true, limit: 2 })).toMatchObject({ truncated: true });
  });

  test('files are moved, copied, linked, chmodded and removed', async () => {
    await using opened = await open();
    const { files } = opened;
    await files.mkdir('dir/sub');
    await files.write('dir/f', Buffer.from('content'));
    await files.copy('dir', 'copy', { recursive: true });
    await files.move('dir/f', 'new/place');
    await files.chmod('new/place', 0o640);
    expect((await files.stat('new/place')).mode & 0o777).toBe(0o640);
    await files.symlink('l', 'new/place');
    expect(await files.readlink('l')).toBe('new/place');
    expect((await files.stat('l', { followSymlink: false })).kind).toBe('symlink');
    expect(await text(files, 'l')).toBe('content');
    expect(await text(files, 'copy/f')).toBe('content');
    await expect(files.remove('copy')).rejects.toMatchObject({ code: 'IS_DIRECTORY' });
    await files.remove('copy', { recursive: true });
    expect([await files.exists('copy'), await files.exists('new/place'), await files.exists('new/place/below')]).toEqual([
      false,
      true,
      false,
    ]);
    await expect(files.move('new/place', 'l')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await files.remove('gone', { force: true });
  });

  test.each([
    { claim: 'a missing file', path: 'none', code: 'FILE_NOT_FOUND' },
    { claim: 'a directory', path: 'dir', code: 'IS_DIRECTORY' },
    { claim: 'a path below a file', path: 'file/below', code: 'NOT_DIRECTORY' },
    { claim: 'a path that leads out by ..', path: 'dir/../../etc/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'an absolute path elsewhere', path: '/etc/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a symlink that leads out', path: 'out', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a file below a symlink that leads out', path: 'outdir/passwd', code: 'PATH_ESCAPES_WORKSPACE' },
    { claim: 'a FIFO', path: 'fifo', code: 'NOT_REGULAR_FILE' },
    { claim: 'a path with a NUL byte', path: 'a\0b', code: 'INVALID_REQUEST' },
  ])('reading $claim is $code', async ({ path, code }) => {
    await using harness = await create();
    const files = new SandboxFiles(harness.link);
    await files.mkdir('dir');
    await files.write('file', Buffer.from('x'));
    await run(harness.link, 1, ['sh', '-c', 'ln -s /etc/passwd out; ln -s /etc outdir; mkfifo fifo']).exit;
    await expect(files.readAll(path)).rejects.toMatchObject({ code });
  });

  test('the workspace itself is not removed', async () => {
    await using opened = await open();
    await expect(opened.files.remove('.', { recursive: true })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
}
