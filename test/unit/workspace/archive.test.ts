import { spawnSync } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TAR_END, tarHeader, tarPadding } from '../../../client/protocol/tar-header.ts';
import { staysInside, treePath } from '../../../client/protocol/tree-entry.ts';
import { TreeProgress } from '../../../client/tree-progress.ts';
import { packLocalTree } from '../../../client/tree-pack.ts';
import { unpackLocalTree } from '../../../client/tree-unpack.ts';
import { unpackTree } from '../../../daemon/workspace/archive-unpack.ts';
import { archiveOf, hostileArchives } from '../../support/hostile-archives.ts';

const hostile = await hostileArchives();

async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('names in archives', () => {
  it.each<[string, string[] | null]>([
    ['a/b', ['a', 'b']],
    ['./a//b/', ['a', 'b']],
    ['.', []],
    ['/a', null],
    ['a/../b', null],
    ['..', null],
    ['a\0b', null],
    ['n'.repeat(256), null],
    ['d/'.repeat(65), null],
  ])('%j is %j', (name, parts) => {
    expect(treePath(name)).toEqual(parts);
  });

  it.each<[string, string, boolean]>([
    ['a/link', 'b', true],
    ['a/link', '../b', true],
    ['a/b/link', '../../c/d', true],
    ['link', '..', false],
    ['a/link', '../..', false],
    ['a/link', 'b/..', false],
    ['a/link', '/a', false],
    ['link', '', false],
    ['link', './a', true],
  ])('a symlink at %s to %j stays inside: %s', (path, target, stays) => {
    expect(staysInside(path.split('/'), target)).toBe(stays);
  });
});

describe('archives', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cl-archive-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const unpack = async (bytes: Uint8Array): Promise<string> =>
    await unpackLocalTree(pieces(bytes), { root: join(directory, 'in'), maxBytes: 1024 ** 2, progress: new TreeProgress({}) }).then(
      () => 'no error',
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );

  it('of ours are read by tar(1) as they were meant', async () => {
    const long = `${'long/'.repeat(30)}namé`;
    const bytes = Buffer.concat([
      tarHeader({ type: 'directory', name: 'd/', mode: 0o750, size: 0, modifiedAtMs: 1_700_000_000_000 }),
      tarHeader({ type: 'file', name: long, mode: 0o640, size: 3, modifiedAtMs: 1_700_000_000_000 }),
      Buffer.from('abc'),
      tarPadding(3),
      tarHeader({ type: 'symlink', name: 'd/l', mode: 0o777, size: 0, modifiedAtMs: 0, target: `../${long}` }),
      TAR_END,
    ]);
    await writeFile(join(directory, 'ours.tar'), bytes);
    const { stdout, stderr } = spawnSync(
      'tar',
      ['--utc', '--numeric-owner', '--quoting-style=literal', '-tvf', join(directory, 'ours.tar')],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      'drwxr-x--- 0/0 0 2023-11-14 22:13 d/',
      `-rw-r----- 0/0 3 2023-11-14 22:13 ${long}`,
      `lrwxrwxrwx 0/0 0 1970-01-01 00:00 d/l -> ../${long}`,
      '',
    ]);
  });

  it.each(Object.keys(hostile))('with %s are refused by the client as well', async (name) => {
    await writeFile(join(directory, 'secret'), 'mine');
    expect(await unpack(hostile[name]!.bytes)).not.toBe('no error');
    expect((await readdir(directory)).toSorted()).toEqual(['in', 'secret']);
    for (const entry of await readdir(join(directory, 'in'), { withFileTypes: true, recursive: true }))
      expect(entry.isSymbolicLink()).toBe(false);
  });

  it('are not written through a symlink that was there', async () => {
    await writeFile(join(directory, 'secret'), 'mine');
    expect(await unpack(await archiveOf({ name: 'd/x', content: 'x' }))).toBe('no error');
    await rm(join(directory, 'in', 'd'), { recursive: true });
    await symlink('..', join(directory, 'in', 'd'));
    expect(await unpack(await archiveOf({ name: 'd/secret', content: 'evil' }))).toBe('EEXIST');
    expect(await unpack(await archiveOf({ name: 'd/new', type: 'symlink', linkname: '../x' }))).toBe('EEXIST');
    expect(await readFile(join(directory, 'secret'), 'utf8')).toBe('mine');
    // A file takes the place of a symlink of its name, and not of what it names.
    await symlink('../secret', join(directory, 'in', 'file'));
    expect(await unpack(await archiveOf({ name: 'file', content: 'new' }))).toBe('no error');
    expect(await readFile(join(directory, 'secret'), 'utf8')).toBe('mine');
    expect((await lstat(join(directory, 'in', 'file'))).isFile()).toBe(true);
  });

  it('carry no set-user-id bit, and symlinks only inside', async () => {
    expect(
      await unpack(await archiveOf({ name: 'd/su', mode: 0o6755, content: '' }, { name: 'd/l', type: 'symlink', linkname: '../d/su' })),
    ).toBe('no error');
    expect((await stat(join(directory, 'in', 'd', 'su'))).mode & 0o7777).toBe(0o755);
    expect(await readlink(join(directory, 'in', 'd', 'l'))).toBe('../d/su');
  });

  it('end at a hundred thousand entries, on both sides', async () => {
    async function* many(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at <= 100_000; at += 100)
        yield Buffer.concat(
          Array.from({ length: 100 }, (_, index) =>
            tarHeader({ type: 'directory', name: `${at + index}/`, mode: 0o755, size: 0, modifiedAtMs: 0 }),
          ),
        );
      yield TAR_END;
    }
    let made = 0;
    const target = {
      write: () => Promise.resolve(),
      mkdir: () => Promise.resolve(void (made += 1)),
      chmod: () => Promise.resolve(),
      remove: () => Promise.resolve(),
      symlink: () => Promise.resolve(),
    };
    await expect(unpackTree({ source: many(), target, path: 'in', maxBytes: 1000 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(made).toBeLessThanOrEqual(100_001);
  });

  it('that fail in the target stop the source, and say why', async () => {
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += 1;
        yield Buffer.concat([tarHeader({ type: 'file', name: `f${sent}`, mode: 0o644, size: 512, modifiedAtMs: 0 }), Buffer.alloc(512)]);
      }
    }
    const fail = (): Promise<never> => Promise.reject(new Error('no room'));
    const target = { write: fail, mkdir: () => Promise.resolve(), chmod: fail, remove: fail, symlink: fail };
    await expect(unpackTree({ source: endless(), target, path: 'in', maxBytes: 1024 ** 3 })).rejects.toThrow('no room');
    expect(sent).toBeLessThan(1000);
  });

  it('of local trees name what was left out', async () => {
    await writeFile(join(directory, 'a'), 'a');
    await symlink('/etc', join(directory, 'out'));
    const packed = packLocalTree(directory, new TreeProgress({}));
    let bytes = 0;
    for await (const piece of packed.bytes) bytes += piece.byteLength;
    expect(packed.skipped).toEqual(['out']);
    expect(bytes % 512).toBe(0);
  });
});
