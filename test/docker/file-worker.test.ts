// The file worker's operations on a real directory, as an unprivileged uid, with openat2 and by component walk.
// Needs root (to become that uid) and a C compiler; no engine.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWorker } from '../support/worker-build.ts';
import { decodeEntries, decodeStat, Down, type FileRequest, Flag, Op } from '../support/worker-frames.ts';
import { WorkerPeer } from '../support/worker-peer.ts';

const UID = 200_001;
const sha256 = (text: string | Buffer): Buffer => createHash('sha256').update(text).digest();

describe.each([
  { name: 'openat2', isWalk: false },
  { name: 'component walk', isWalk: true },
])('file worker with $name', ({ isWalk }) => {
  const base = fs.mkdtempSync(join(tmpdir(), 'file-worker-'));
  const root = join(base, 'workspace');
  let peer: WorkerPeer;
  let program: string;
  const at = (path: string): string => join(root, path);
  const put = (path: string, text: string, mode = 0o644): void => {
    fs.writeFileSync(at(path), text);
    fs.chmodSync(at(path), mode);
    fs.lchownSync(at(path), UID, UID);
  };
  const dir = (path: string, mode = 0o755): void => {
    fs.mkdirSync(at(path));
    fs.chownSync(at(path), UID, UID);
    fs.chmodSync(at(path), mode);
  };
  const leftovers = (): string[] =>
    fs.readdirSync(root, { recursive: true, withFileTypes: true }).flatMap(({ name }) => (name.startsWith('.cloister-') ? [name] : []));

  beforeAll(() => {
    fs.chmodSync(base, 0o755);
    program = buildWorker(base, { isWalk });
  });
  beforeEach(async () => {
    fs.rmSync(root, { recursive: true, force: true });
    fs.mkdirSync(root);
    fs.chownSync(root, UID, UID);
    dir('d');
    put('d/f', 'hello');
    put('run.sh', '#!/bin/sh\n', 0o755);
    fs.symlinkSync('d/f', at('inner'));
    fs.symlinkSync('../d', at('d/up'));
    fs.symlinkSync('nothing', at('dangling'));
    fs.symlinkSync('/etc/passwd', at('absolute'));
    fs.symlinkSync('../outside', at('out'));
    const worker = new WorkerPeer({ program, root, uid: UID });
    peer = worker;
    return async () => {
      expect(await worker.end(), 'exit code of the worker').toBe(0);
      expect(leftovers()).toEqual([]);
    };
  });
  afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

  const refusals: readonly [string, FileRequest, string, number?][] = [
    ['a path with ".."', { op: Op.read, path: '../x' }, 'EINVAL'],
    ['a path with "." inside', { op: Op.read, path: 'd/./f' }, 'EINVAL'],
    ['an absolute path', { op: Op.read, path: '/etc/passwd' }, 'EINVAL'],
    ['a path that ends in a slash', { op: Op.read, path: 'd/' }, 'EINVAL'],
    ['a path with an empty component', { op: Op.read, path: 'd//f' }, 'EINVAL'],
    ['a path with NUL', { op: Op.read, path: Buffer.from('d/f\0x') }, 'EINVAL'],
    ['a component of 256 bytes', { op: Op.read, path: 'x'.repeat(256) }, 'ENAMETOOLONG'],
    ['a path of 4097 bytes', { op: Op.read, path: 'x/'.repeat(2048) + 'y' }, 'ENAMETOOLONG'],
    ['a second path with ".."', { op: Op.move, path: 'd', path2: 'd/../../x' }, 'EINVAL', 1],
    ['an unknown operation', { op: 99, path: 'd' }, 'EINVAL'],
    ['a flag that the operation has not', { op: Op.read, path: 'd/f', flags: Flag.recursive }, 'EINVAL'],
    ['an absolute symlink', { op: Op.read, path: 'absolute' }, 'EXDEV'],
    ['a symlink that leads out', { op: Op.stat, path: 'out' }, 'EXDEV'],
    ['a parent that leads out', { op: Op.write, path: 'out/f' }, 'EXDEV'],
    ['a dangling symlink', { op: Op.read, path: 'dangling' }, 'ENOENT'],
    ['a missing file', { op: Op.read, path: 'd/none' }, 'ENOENT'],
    ['a directory where a file is meant', { op: Op.read, path: 'd' }, 'EISDIR'],
    ['the workspace where a file is meant', { op: Op.hash, path: '' }, 'EISDIR'],
    ['a write to a directory', { op: Op.write, path: 'd' }, 'EISDIR'],
    ['a file as a parent', { op: Op.read, path: 'd/f/x' }, 'ENOTDIR', 2],
    ['a list of a file', { op: Op.list, path: 'd/f' }, 'ENOTDIR', 0],
    ['a list deeper than 64', { op: Op.list, path: 'd', depth: 65 }, 'EINVAL'],
    ['an exclusive write over a file', { op: Op.write, path: 'd/f', flags: Flag.exclusive }, 'EEXIST'],
    ['mkdir over a file', { op: Op.mkdir, path: 'd/f', flags: Flag.parents }, 'EEXIST'],
    ['mkdir without its parent', { op: Op.mkdir, path: 'a/b' }, 'ENOENT'],
    ['removal of a directory without the flag', { op: Op.remove, path: 'd' }, 'EISDIR'],
    ['removal of the workspace', { op: Op.remove, path: '', flags: Flag.recursive }, 'EBUSY'],
    ['a move of the workspace', { op: Op.move, path: '', path2: 'x' }, 'EBUSY'],
    ['a move into itself', { op: Op.move, path: 'd', path2: 'd/x' }, 'EINVAL', 1],
    ['an exclusive move over a file', { op: Op.move, path: 'run.sh', path2: 'd/f', flags: Flag.exclusive }, 'EEXIST', 1],
    ['a move to a missing directory', { op: Op.move, path: 'run.sh', path2: 'a/b' }, 'ENOENT', 1],
    ['a copy of a tree into itself', { op: Op.copy, path: 'd', path2: 'd/x', flags: Flag.recursive }, 'EINVAL'],
    ['a copy of a directory without the flag', { op: Op.copy, path: 'd', path2: 'x' }, 'EISDIR'],
    ['a copy of a tree over something', { op: Op.copy, path: 'd', path2: 'run.sh', flags: Flag.recursive }, 'EEXIST', 1],
    ['readlink of a file', { op: Op.readlink, path: 'd/f' }, 'EINVAL'],
    ['a symlink out by text', { op: Op.symlink, path: 'd/l', extra: Buffer.from('../../x') }, 'EXDEV'],
    ['a symlink out and back', { op: Op.symlink, path: 'l', extra: Buffer.from('d/../../workspace/d') }, 'EXDEV'],
    ['an absolute symlink target', { op: Op.symlink, path: 'l', extra: Buffer.from('/workspace/d') }, 'EXDEV'],
    ['a symlink over a file', { op: Op.symlink, path: 'd/f', extra: Buffer.from('x') }, 'EEXIST'],
  ];
  test.each(refusals)('refuses %s', async (_name, request, error, what = 0) => {
    expect(await peer.do(request, { body: [] })).toMatchObject({ error, what });
  });

  test('reads a file, a range of it, beyond its end and through a symlink that stays inside', async () => {
    expect((await peer.read('d/f')).data.toString()).toBe('hello');
    expect((await peer.read('d/f', 1n, 3n)).data.toString()).toBe('ell');
    expect((await peer.read('d/f', 9n)).data.length).toBe(0);
    expect((await peer.read('inner')).data.toString()).toBe('hello');
    const reply = await peer.read('d/up/f');
    expect(reply.data.toString()).toBe('hello');
    expect(decodeStat(reply.extra)).toMatchObject({ kind: 'f', mode: 0o644, size: 5, uid: UID, links: 1 });
  });

  test('follows 40 symlinks and not 41', async () => {
    put('l0', 'end');
    for (let i = 1; i <= 41; i++) fs.symlinkSync(`l${i - 1}`, at(`l${i}`));
    expect((await peer.read('l40')).data.toString()).toBe('end');
    expect((await peer.read('l41')).error).toBe('ELOOP');
  });

  test('writes atomically, keeps the mode, makes parents, replaces a symlink and not its target', async () => {
    const inode = fs.statSync(at('run.sh')).ino;
    expect(decodeStat((await peer.write('run.sh', 'new')).extra)).toMatchObject({ size: 3, mode: 0o755 });
    expect(fs.statSync(at('run.sh')).ino).not.toBe(inode);
    expect((await peer.write('a/b/c', 'deep', { flags: Flag.parents, mode: 0o600 })).error).toBe('ok');
    expect(fs.statSync(at('a/b/c')).mode & 0o7777).toBe(0o600);
    expect(fs.statSync(at('a/b')).mode & 0o7777).toBe(0o755);
    await peer.write('inner', 'replaced');
    expect(fs.lstatSync(at('inner')).isFile()).toBe(true);
    expect(fs.readFileSync(at('d/f'), 'utf8')).toBe('hello');
    await peer.write('suid', '', { mode: 0o6755 });
    expect(fs.statSync(at('suid')).mode & 0o7777).toBe(0o755);
    const big = Buffer.alloc(3_000_001, 'abcdefg');
    expect((await peer.write('big', big)).error).toBe('ok');
    expect((await peer.read('big')).data.equals(big)).toBe(true);
  });

  test('appends in place, through a symlink, and makes the file', async () => {
    expect((await peer.write('inner', ' world', { flags: Flag.append })).error).toBe('ok');
    expect(fs.readFileSync(at('d/f'), 'utf8')).toBe('hello world');
    expect((await peer.write('log', 'one', { flags: Flag.append, mode: 0o640 })).error).toBe('ok');
    expect(fs.statSync(at('log')).mode & 0o777).toBe(0o640);
    expect((await peer.write('dangling', 'x', { flags: Flag.append })).error).toBe('ENOENT');
    expect((await peer.write('log', 'x', { flags: Flag.append | Flag.exclusive })).error).toBe('EEXIST');
  });

  test.each([0, Flag.append])('writes only over the content that was named (flags %i)', async (flags) => {
    expect((await peer.write('d/f', 'x', { flags, extra: sha256('other') })).error).toBe('ESTALE');
    expect((await peer.write('none', 'x', { flags, extra: sha256('') })).error).toBe('ESTALE');
    expect(fs.existsSync(at('none'))).toBe(false);
    expect(fs.readFileSync(at('d/f'), 'utf8')).toBe('hello');
    const big = Buffer.alloc(200_000, 'z');
    expect((await peer.write('d/f', big, { flags, extra: sha256('hello') })).error).toBe('ok');
    expect(fs.readFileSync(at('d/f'), 'utf8')).toBe((flags === 0 ? '' : 'hello') + big);
  });

  test.each([0, Flag.append])('a cancelled write leaves no trace (flags %i)', async (flags) => {
    for (const path of ['d/f', 'fresh']) {
      const pending = peer.begin({ op: Op.write, path, flags });
      peer.send(Down.data, pending.id, Buffer.alloc(60_000));
      peer.cancel(pending.id);
      expect((await pending.reply).error).toBe('ECANCELED');
    }
    expect(fs.readFileSync(at('d/f'), 'utf8')).toBe('hello');
    expect(fs.existsSync(at('fresh'))).toBe(false);
  });

  test('a write ends without a trace when the socket ends', async () => {
    const other = new WorkerPeer({ program, root, uid: UID });
    const pending = other.begin({ op: Op.write, path: 'd/f' });
    const ending = pending.reply.catch(String);
    other.send(Down.data, pending.id, Buffer.alloc(60_000));
    expect((await other.do({ op: Op.stat, path: '' })).error).toBe('ok');
    expect(leftovers()).toHaveLength(1);
    expect(await other.end()).toBe(0);
    expect(await ending).toBe('Error: the worker ended');
  });

  test('lists sorted by bytes, a directory before its content, with symlink targets', async () => {
    dir('d/sub');
    put('d/sub/x', '1');
    put('d/sub-', '2');
    put('d/Z', '3');
    const reply = await peer.do({ op: Op.list, path: 'd', depth: 3 });
    const entries = decodeEntries(reply.data);
    expect(entries.map((entry) => entry.path)).toEqual(['Z', 'f', 'sub', 'sub/x', 'sub-', 'up']);
    expect(entries.at(-1)).toMatchObject({ kind: 'l', target: '../d' });
    expect([reply.extra.readBigUInt64LE(0), reply.extra.readUInt8(8)]).toEqual([6n, 0]);
    const limited = await peer.do({ op: Op.list, path: 'd', length: 2n });
    expect(decodeEntries(limited.data).map((entry) => entry.path)).toEqual(['Z', 'f']);
    expect([limited.extra.readBigUInt64LE(0), limited.extra.readUInt8(8)]).toEqual([5n, 1]);
  });

  test('removes trees with modes of 000, and symlinks and not what they name', async () => {
    dir('d/locked');
    put('d/locked/x', '1');
    fs.symlinkSync('../../run.sh', at('d/locked/link'));
    fs.chmodSync(at('d/locked'), 0);
    fs.chmodSync(at('d'), 0o500);
    expect((await peer.do({ op: Op.remove, path: 'd', flags: Flag.recursive })).error).toBe('ok');
    expect((await peer.do({ op: Op.remove, path: 'inner' })).error).toBe('ok');
    expect(fs.readdirSync(root).sort()).toEqual(['absolute', 'dangling', 'out', 'run.sh']);
  });

  test('copies a tree with modes and links as text, a file, and a symlink as itself', async () => {
    dir('d/sub', 0o555);
    put('d/sub/x', 'x'.repeat(100_000), 0o400);
    dir('d/sub/empty', 0o700);
    expect((await peer.do({ op: Op.copy, path: 'd', path2: 'n/e', flags: Flag.recursive | Flag.parents })).error).toBe('ok');
    expect(fs.readFileSync(at('n/e/sub/x'), 'utf8')).toBe('x'.repeat(100_000));
    expect(fs.statSync(at('n/e/sub')).mode & 0o777).toBe(0o555);
    expect(fs.statSync(at('n/e/sub/x')).mode & 0o777).toBe(0o400);
    expect(fs.readlinkSync(at('n/e/up'))).toBe('../d');
    expect((await peer.do({ op: Op.copy, path: 'inner', path2: 'run.sh' })).error).toBe('ok');
    expect(fs.readFileSync(at('run.sh'), 'utf8')).toBe('hello');
    expect((await peer.do({ op: Op.copy, path: 'out', path2: 'out2', flags: Flag.noFollow })).error).toBe('ok');
    expect(fs.readlinkSync(at('out2'))).toBe('../outside');
  });

  test('takes a half-made copy away when it meets a FIFO', async () => {
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [at('d/z')]);
    expect((await peer.do({ op: Op.copy, path: 'd', path2: 'n', flags: Flag.recursive })).error).toBe('ENXIO');
    expect(fs.existsSync(at('n'))).toBe(false);
  });

  test('stat, mkdir, move, chmod, readlink, symlink and hash do what they say', async () => {
    expect(decodeStat((await peer.do({ op: Op.stat, path: '' })).extra).kind).toBe('d');
    expect(decodeStat((await peer.do({ op: Op.stat, path: 'inner' })).extra).kind).toBe('f');
    expect(decodeStat((await peer.do({ op: Op.stat, path: 'out', flags: Flag.noFollow })).extra).kind).toBe('l');
    expect((await peer.do({ op: Op.mkdir, path: 'm/n', flags: Flag.parents, mode: 0o711 })).error).toBe('ok');
    expect(fs.statSync(at('m/n')).mode & 0o777).toBe(0o711);
    expect((await peer.do({ op: Op.mkdir, path: 'm/n', flags: Flag.parents })).error).toBe('ok');
    expect((await peer.do({ op: Op.move, path: 'd', path2: 'q/r', flags: Flag.parents })).error).toBe('ok');
    expect((await peer.do({ op: Op.chmod, path: 'q/r/f', mode: 0o6640 })).error).toBe('ok');
    expect(fs.statSync(at('q/r/f')).mode & 0o7777).toBe(0o640);
    expect((await peer.do({ op: Op.readlink, path: 'absolute' })).extra.toString()).toBe('/etc/passwd');
    expect((await peer.do({ op: Op.symlink, path: 'm/l', extra: Buffer.from('../q/./r/f') })).error).toBe('ok');
    expect((await peer.read('m/l')).data.toString()).toBe('hello');
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 65_536, 1_000_003]) {
      const bytes = Buffer.alloc(size, 'content');
      fs.writeFileSync(at('q/r/f'), bytes);
      expect((await peer.do({ op: Op.hash, path: 'm/l' })).extra.subarray(40).equals(sha256(bytes)), `${size} bytes`).toBe(true);
    }
  });
});
