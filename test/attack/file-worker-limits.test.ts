// A tenant or a broken peer tries to make the file worker block, grow, or leave half-written files behind.
// Needs root (uids, a mount) and a C compiler; no engine.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWorker } from '../support/worker-build.ts';
import { CHUNK, Down, encodeFrame, encodeRequest, Flag, Op, u64, WINDOW } from '../support/worker-frames.ts';
import { WorkerPeer } from '../support/worker-peer.ts';

const UID = 200_001;
const base = fs.mkdtempSync(join(tmpdir(), 'file-limits-'));
const root = join(base, 'workspace');
const at = (path: string): string => join(root, path);

afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

describe.each([
  { name: 'openat2', isWalk: false },
  { name: 'component walk', isWalk: true },
])('file worker with $name', ({ isWalk }) => {
  let program: string;
  let peer: WorkerPeer;

  beforeAll(() => {
    fs.chmodSync(base, 0o755);
    program = buildWorker(base, { isWalk });
  });
  beforeEach(() => {
    fs.rmSync(root, { recursive: true, force: true });
    fs.mkdirSync(root);
    fs.chownSync(root, UID, UID);
    fs.writeFileSync(at('leaf'), 'inside');
    peer = new WorkerPeer({ program, root, uid: UID });
  });
  afterEach(async () => {
    expect(await peer.end()).toBe(0);
  });

  test('a file that grows or shrinks while it is read gives at most what it had', async () => {
    const size = WINDOW + 3 * CHUNK;
    for (const resized of [size * 4, WINDOW + 7]) {
      fs.writeFileSync(at('leaf'), Buffer.alloc(size));
      let received = 0;
      const pending = peer.begin(
        { op: Op.read, path: 'leaf' },
        {
          onData: (bytes) => {
            received += bytes.length;
          },
        },
      );
      while (received < WINDOW) await peer.do({ op: Op.stat, path: '' });
      fs.truncateSync(at('leaf'), resized);
      peer.credit(pending.id, received);
      expect((await pending.reply).error).toBe('ok');
      expect(received).toBe(Math.min(size, resized));
    }
  });

  test('a file of 8 TiB without bytes is read by its range', async () => {
    fs.truncateSync(at('leaf'), 2 ** 43);
    const reply = await peer.read('leaf', BigInt(2 ** 43 - 100_000));
    expect([reply.error, reply.data.length]).toEqual(['ok', 100_000]);
    expect((await peer.do({ op: Op.read, path: 'leaf', offset: 2n ** 63n })).error).toBe('EINVAL');
  });

  test('readers without credit stop only themselves, and request 17 is refused', async () => {
    fs.truncateSync(at('leaf'), 10 * WINDOW);
    const received = new Map<number, number>();
    const readers = Array.from({ length: 15 }, (_, i) =>
      peer.begin(
        { op: Op.read, path: 'leaf' },
        {
          onData: (bytes) => {
            received.set(i, (received.get(i) ?? 0) + bytes.length);
          },
        },
      ),
    );
    for (let i = 0; i < 500; i++) expect((await peer.do({ op: Op.stat, path: 'leaf' })).error).toBe('ok');
    expect([...received.values()]).toEqual(Array(15).fill(WINDOW));
    const last = peer.begin({ op: Op.read, path: 'leaf' }, { onData: () => undefined });
    expect((await peer.do({ op: Op.stat, path: 'leaf' })).error).toBe('EMFILE');
    for (const reader of [...readers, last]) peer.cancel(reader.id);
    for (const reader of [...readers, last]) expect((await reader.reply).error).toBe('ECANCELED');
  });

  test('a full disk and the file size limit leave the old content and no temporary', async () => {
    fs.mkdirSync(at('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=1m,uid=${UID}`, 'none', at('small')]);
    try {
      fs.writeFileSync(at('small/f'), 'old');
      fs.chownSync(at('small/f'), UID, UID);
      await using small = new WorkerPeer({ program, root: at('small'), uid: UID });
      await using limited = new WorkerPeer({ program, root: at('small'), uid: UID, maxFileBytes: 100_000 });
      expect((await peer.read('small/f')).error, 'another mount').toBe('EXDEV');
      for (const flags of [0, Flag.append]) {
        expect((await small.write('f', Buffer.alloc(2 ** 21), { flags })).error).toBe('ENOSPC');
        expect((await limited.write('f', Buffer.alloc(200_000), { flags })).error).toBe('EFBIG');
        expect(fs.readdirSync(at('small'))).toEqual(['f']);
        expect(fs.readFileSync(at('small/f'), 'utf8')).toBe('old');
      }
      const cut = await limited.write('f', Buffer.alloc(200_000), { flags: Flag.append | Flag.keep });
      const [left, size] = [cut.extra.readBigUInt64LE(0), cut.extra.readBigUInt64LE(8)];
      expect({ error: cut.error, left, size }, 'what stays is told').toEqual({ error: 'EFBIG', left: 99_997n, size: 100_000n });
      expect(fs.statSync(at('small/f')).size).toBe(100_000);
    } finally {
      execFileSync('umount', ['-l', at('small')]);
    }
  });

  const request = (id: number): Buffer => encodeFrame(Down.file, id, encodeRequest({ op: Op.write, path: 'x' }));
  test.each([
    ['a header field that must be zero', Buffer.from([0, 0, 0, 0, 0x0f, 0, 1, 0, 1, 0, 0, 0])],
    ['a body longer than its bound', Buffer.from([0, 0, 2, 0, 0x0d, 0, 0, 0, 1, 0, 0, 0])],
    ['a type that is none of its own', encodeFrame(0x02, 1, Buffer.alloc(40))],
    ['a request cut short', encodeFrame(Down.file, 1, Buffer.alloc(31))],
    ['path lengths that exceed the body', encodeFrame(Down.file, 1, Buffer.alloc(40, 0xff))],
    ['an id that is in use', Buffer.concat([request(1), request(1)])],
    ['credit for bytes never sent', Buffer.concat([request(1), encodeFrame(Down.credit, 1, u64(1))])],
  ])('ends itself on %s', async (_name, bytes) => {
    const other = new WorkerPeer({ program, root, uid: UID });
    const exit = once(other.process, 'exit');
    other.sendRaw(bytes);
    expect(await exit).toEqual([1, null]);
    expect(fs.readdirSync(root).filter((name) => name.startsWith('.cloister-'))).toEqual([]);
  });
});
