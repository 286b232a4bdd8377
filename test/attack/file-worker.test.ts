// A tenant attacks the file worker with what it puts into its workspace: nothing outside is read or changed, and
// nothing blocks the worker. Needs root (uids, device nodes) and a C compiler; no engine.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildFlipper, buildWorker } from '../support/worker-build.ts';
import { decodeEntries, type FileRequest, Flag, Op } from '../support/worker-frames.ts';
import { type FileReply, WorkerPeer } from '../support/worker-peer.ts';

const UID = 200_001;
const CANARY = 'CANARY-of-the-host';
const base = fs.mkdtempSync(join(tmpdir(), 'file-attack-'));
const root = join(base, 'workspace');
const outside = join(base, 'outside');
const at = (path: string): string => join(root, path);
let flipper: string;
let flipping: ChildProcess | undefined;

const give = (path: string): void => fs.lchownSync(at(path), UID, UID);
const flip = (a: string, b: string): void => {
  flipping = spawn(flipper, [root, a, b], { stdio: 'inherit', uid: UID, gid: UID });
};
/** Everything about the directory outside but its access times. */
const outsideState = (): string =>
  fs
    .readdirSync(outside)
    .sort()
    .concat('.')
    .map((name) => {
      const { ino, mode, size, mtimeNs, ctimeNs } = fs.lstatSync(join(outside, name), { bigint: true });
      return [name, ino, mode, size, mtimeNs, ctimeNs].join(' ');
    })
    .join('\n');

beforeAll(() => {
  fs.chmodSync(base, 0o755);
  flipper = buildFlipper(base);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

describe.each([
  { name: 'openat2', isWalk: false },
  { name: 'component walk', isWalk: true },
])('file worker with $name', ({ isWalk }) => {
  let program: string;
  let peer: WorkerPeer;
  let before: string;

  beforeAll(() => {
    program = buildWorker(base, { isWalk });
  });
  beforeEach(() => {
    for (const dir of [root, outside]) {
      fs.rmSync(dir, { recursive: true, force: true });
      fs.mkdirSync(dir);
      fs.chownSync(dir, UID, UID);
    }
    // The tenant's uid may do anything here: only the worker's resolution is in the way.
    for (const name of ['f', 'g']) fs.writeFileSync(join(outside, name), CANARY);
    for (const name of ['f', 'g']) fs.chownSync(join(outside, name), UID, UID);
    fs.mkdirSync(at('real'));
    fs.writeFileSync(at('real/f'), 'inside');
    fs.writeFileSync(at('leaf'), 'inside');
    fs.symlinkSync('../outside', at('link'));
    fs.symlinkSync('../outside/f', at('leaf-link'));
    for (const path of ['real', 'real/f', 'leaf', 'link', 'leaf-link']) give(path);
    before = outsideState();
    peer = new WorkerPeer({ program, root, uid: UID });
  });
  afterEach(async () => {
    flipping?.kill('SIGKILL');
    flipping = undefined;
    expect(await peer.end()).toBe(0);
    expect(outsideState()).toBe(before);
  });

  /** Keeps eight requests going until `total` are done, and counts how they ended. */
  const storm = async (total: number, operations: readonly ((peer: WorkerPeer) => Promise<FileReply>)[]): Promise<Map<string, number>> => {
    const endings = new Map<string, number>();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < total) {
        const reply = await (operations[next++ % operations.length] as (typeof operations)[number])(peer);
        if (reply.data.includes('CANARY')) throw new Error('bytes of the outside were returned');
        endings.set(reply.error, (endings.get(reply.error) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    return endings;
  };

  test('a parent that is exchanged with a symlink never leads a call out', async () => {
    flip('real', 'link');
    const endings = await storm(25_000, [
      (to) => to.read('real/f'),
      (to) => to.write('real/f', 'mine'),
      (to) => to.write('real/f', '', { flags: Flag.append }),
      (to) => to.do({ op: Op.stat, path: 'real/f' }),
      (to) => to.do({ op: Op.list, path: 'real' }),
      (to) => to.do({ op: Op.chmod, path: 'real/f', mode: 0o644 }),
      (to) => to.do({ op: Op.hash, path: 'real/f' }),
      (to) => to.do({ op: Op.copy, path: 'real/f', path2: 'real/h' }),
      (to) => to.do({ op: Op.copy, path: 'real', path2: 'real-copy', flags: Flag.recursive }),
      (to) => to.do({ op: Op.remove, path: 'real-copy', flags: Flag.recursive }),
      (to) => to.do({ op: Op.remove, path: 'real/h' }),
      (to) => to.do({ op: Op.move, path: 'real/f', path2: 'real/f' }),
      (to) => to.do({ op: Op.mkdir, path: 'real/new/dir', flags: Flag.parents }),
      (to) => to.do({ op: Op.symlink, path: 'real/s', extra: Buffer.from('f') }),
    ]);
    expect(endings.get('ok') ?? 0).toBeGreaterThan(0);
    expect(endings.get('EXDEV') ?? 0).toBeGreaterThan(0);
  });

  test('a file that is exchanged with a symlink is never followed out', async () => {
    flip('leaf', 'leaf-link');
    const endings = await storm(25_000, [
      (to) => to.read('leaf'),
      (to) => to.write('leaf', 'x', { flags: Flag.append }),
      (to) => to.do({ op: Op.chmod, path: 'leaf', mode: 0o600 }),
      (to) => to.do({ op: Op.hash, path: 'leaf' }),
      (to) => to.do({ op: Op.copy, path: 'leaf', path2: 'copy' }),
      (to) => to.do({ op: Op.stat, path: 'leaf' }),
    ]);
    expect(endings.get('ok') ?? 0).toBeGreaterThan(0);
    expect(endings.get('EXDEV') ?? 0).toBeGreaterThan(0);
  });

  test('a directory that is exchanged during its removal is never followed', async () => {
    for (let i = 0; i < 200; i++) {
      fs.mkdirSync(at('real/sub'), { recursive: true });
      for (const path of ['real', 'real/sub']) give(path);
      for (let k = 0; k < 20; k++) fs.writeFileSync(at(`real/sub/${k}`), '');
      for (let k = 0; k < 20; k++) give(`real/sub/${k}`);
      if (!fs.existsSync(at('real/link'))) fs.symlinkSync('../../outside', at('real/link'));
      give('real/link');
      const flips = spawn(flipper, [at('real'), 'sub', 'link'], { stdio: 'inherit', uid: UID, gid: UID });
      const ended = once(flips, 'exit');
      await once(flips, 'spawn');
      expect((await peer.do({ op: Op.remove, path: 'real', flags: Flag.recursive })).error).toBe('ok');
      flips.kill('SIGKILL');
      await ended;
    }
  });

  test('FIFOs, sockets and devices are answered, and a FIFO’s writer never notices', async () => {
    execFileSync('mkfifo', [at('fifo')]);
    execFileSync('mknod', [at('null'), 'c', '1', '3']);
    execFileSync('python3', ['-c', `import socket; socket.socket(socket.AF_UNIX).bind(${JSON.stringify(at('sock'))})`]);
    for (const path of ['fifo', 'null', 'sock']) {
      give(path);
      fs.chmodSync(at(path), 0o666);
    }
    const writer = spawn('sh', ['-c', `echo hello > ${at('fifo')}`], { stdio: 'ignore' });
    for (const path of ['fifo', 'null', 'sock']) {
      const requests: FileRequest[] = [
        { op: Op.read, path },
        { op: Op.hash, path },
        { op: Op.copy, path, path2: 'x' },
      ];
      for (const request of requests) expect((await peer.do(request)).error).toBe('ENXIO');
      for (const flags of [0, Flag.append]) expect((await peer.write(path, 'x', { flags })).error).toBe('ENXIO');
      expect((await peer.do({ op: Op.stat, path })).error).toBe('ok');
    }
    expect(writer.exitCode).toBe(null);
    const exit = once(writer, 'exit');
    writer.kill('SIGKILL');
    expect(await exit).toEqual([null, 'SIGKILL']);
  });

  test('a tree of 4,000 levels is removed', async () => {
    const chain = (name: string): string => Array(1000).fill(name).join('/');
    for (const name of ['a', 'b', 'c', 'd'])
      expect((await peer.do({ op: Op.mkdir, path: chain(name), flags: Flag.parents })).error).toBe('ok');
    for (const [from, to] of [
      ['b', 'a'],
      ['c', 'b'],
      ['d', 'c'],
    ].reverse() as [string, string][]) {
      expect((await peer.do({ op: Op.move, path: from, path2: `${chain(to)}/${from}` })).error).toBe('ok');
    }
    expect((await peer.do({ op: Op.remove, path: 'a', flags: Flag.recursive })).error).toBe('ok');
    expect(fs.readdirSync(root).sort()).toEqual(['leaf', 'leaf-link', 'link', 'real']);
  });

  test('names with newlines and bytes that are no UTF-8 are listed and addressed as they are', async () => {
    const name = Buffer.from('a\nb\xff\x1b[2J', 'latin1');
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), 'odd');
    const entries = decodeEntries((await peer.do({ op: Op.list, path: '' })).data);
    expect(entries[0]?.path).toBe(name.toString('latin1'));
    fs.chmodSync(Buffer.concat([Buffer.from(`${root}/`), name]), 0o644);
    expect((await peer.do({ op: Op.read, path: name })).data.toString()).toBe('odd');
  });
});

test('the flipper has teeth: a check of the real path before the read is fooled by it', () => {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(at('real'), { recursive: true });
  fs.writeFileSync(at('real/f'), 'inside');
  fs.symlinkSync('../outside', at('link'));
  fs.chownSync(root, UID, UID);
  for (const path of ['real', 'link']) give(path);
  flip('real', 'link');
  let isFooled = false;
  for (let i = 0; i < 1_000_000 && !isFooled; i++) {
    try {
      if (fs.realpathSync(at('real/f')).startsWith(`${root}/`)) isFooled = fs.readFileSync(at('real/f'), 'utf8') === CANARY;
    } catch {
      // The name is missing for the moment of an exchange that failed half-way through the check.
    }
  }
  flipping?.kill('SIGKILL');
  expect(isFooled).toBe(true);
});
