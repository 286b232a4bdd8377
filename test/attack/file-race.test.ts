// A tenant exchanges directories and files with symlinks that lead out, without pause, while every verb of the file worker runs: nothing
// outside is read or changed. The same storm catches a worker that looks before it opens. Needs root (to become another uid) and a C
// compiler; no engine. CLOISTER_TEST_LOAD=1 runs all 100,000 operations.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileRegex } from '../../daemon/files/regex-program.ts';
import { buildFlipper, buildWorker } from '../support/worker-build.ts';
import { type FileRequest, Flag, Op } from '../support/worker-frames.ts';
import { type FileReply, WorkerPeer } from '../support/worker-peer.ts';

const UID = 200_001;
const CANARY = 'CANARY-of-the-host';
const OPERATIONS = process.env['CLOISTER_TEST_LOAD'] === '1' ? 100_000 : 4_000;
const LANES = 6;
const base = fs.mkdtempSync(join(tmpdir(), 'file-race-'));
const root = join(base, 'workspace');
const outside = join(base, 'outside');
const at = (path: string): string => join(root, path);
const program = compileRegex('C[A]NARY');
const grepExtra = Buffer.concat([Buffer.from([0, 0]), program]);
let flipper: string;

beforeAll(() => {
  fs.chmodSync(base, 0o755);
  flipper = buildFlipper(base);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

/** What the tenant's uid could change if it were led out: everything there is its own. */
function prepare(): void {
  for (const dir of [root, outside]) {
    fs.rmSync(dir, { recursive: true, force: true });
    fs.mkdirSync(dir);
  }
  for (const dir of ['real', 'copies']) fs.mkdirSync(at(dir));
  fs.mkdirSync(join(outside, 'sub'));
  for (const name of ['f', 'g', 'sub/h', '.gitignore']) fs.writeFileSync(join(outside, name), CANARY);
  fs.writeFileSync(at('real/f'), 'inside');
  fs.mkdirSync(at('real/sub'));
  fs.writeFileSync(at('leaf'), 'inside');
  fs.symlinkSync('../outside', at('link'));
  fs.symlinkSync('../outside/f', at('leaf-link'));
  for (const path of ['', 'real', 'real/f', 'real/sub', 'copies', 'leaf', 'link', 'leaf-link']) fs.lchownSync(at(path), UID, UID);
  for (const name of ['', 'f', 'g', 'sub', 'sub/h', '.gitignore']) fs.chownSync(join(outside, name), UID, UID);
}

const stateOf = (dir: string): string =>
  JSON.stringify(
    fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, fs.lstatSync(path).mode, fs.lstatSync(path).isFile() ? fs.readFileSync(path, 'utf8') : '']),
  ) + fs.statSync(dir).mode;

/** Every verb, on names that are exchanged under it. */
const VERBS: readonly ((peer: WorkerPeer, serial: number) => Promise<FileReply>)[] = [
  ...['real/f', 'leaf'].flatMap((path) => [
    (peer: WorkerPeer) => peer.read(path),
    (peer: WorkerPeer) => peer.write(path, 'mine'),
    (peer: WorkerPeer) => peer.write(path, '+', { flags: Flag.append }),
    (peer: WorkerPeer) => peer.do({ op: Op.stat, path }),
    (peer: WorkerPeer) => peer.do({ op: Op.stat, path, flags: Flag.noFollow }),
    (peer: WorkerPeer) => peer.do({ op: Op.chmod, path, mode: 0o640 }),
    (peer: WorkerPeer) => peer.do({ op: Op.hash, path }),
    (peer: WorkerPeer) => peer.do({ op: Op.grep, path, extra: grepExtra }),
    (peer: WorkerPeer) => peer.do({ op: Op.readlink, path }),
    (peer: WorkerPeer, serial: number) => peer.do({ op: Op.copy, path, path2: `copies/${serial % 8}` }),
  ]),
  (peer) => peer.do({ op: Op.list, path: 'real', depth: 8 }),
  (peer) => peer.do({ op: Op.list, path: '', depth: 8, flags: Flag.ignore | Flag.onlyFiles }),
  (peer) => peer.do({ op: Op.grep, path: '', depth: 8, flags: Flag.ignore, extra: grepExtra }),
  (peer) => peer.do({ op: Op.grep, path: 'real', depth: 8, extra: grepExtra }),
  (peer) => peer.do({ op: Op.mkdir, path: 'real/new/dir', flags: Flag.parents }),
  (peer) => peer.do({ op: Op.symlink, path: 'real/new/link', extra: Buffer.from('dir') }),
  (peer) => peer.do({ op: Op.move, path: 'real/new', path2: 'real/old' }),
  (peer) => peer.do({ op: Op.remove, path: 'real/old', flags: Flag.recursive }),
  (peer) => peer.do({ op: Op.remove, path: 'real/new', flags: Flag.recursive }),
  (peer) => peer.do({ op: Op.chmod, path: 'real', mode: 0o755, flags: Flag.recursive }),
  (peer) => peer.do({ op: Op.copy, path: 'real', path2: 'copies/tree', flags: Flag.recursive }),
  (peer) => peer.do({ op: Op.remove, path: 'copies/tree', flags: Flag.recursive }),
  (peer) => peer.write('real/sub/deep/file', 'mine', { flags: Flag.parents }),
  (peer) => peer.do({ op: Op.remove, path: 'real/sub/deep', flags: Flag.recursive }),
  (peer) => watchBriefly(peer),
];

async function watchBriefly(peer: WorkerPeer): Promise<FileReply> {
  const request: FileRequest = { op: Op.watch, path: 'real', flags: Flag.recursive };
  const { id, reply } = peer.begin(request);
  peer.cancel(id);
  return await reply;
}

interface Storm {
  readonly endings: ReadonlyMap<string, number>;
  /** What came from outside, or changed there; null: nothing. */
  readonly breach: string | null;
}

/** Operations under way together until they are done or one was led out. */
async function storm(worker: string, total: number): Promise<Storm> {
  prepare();
  const before = stateOf(outside);
  const peer = new WorkerPeer({ program: worker, root, uid: UID });
  const flips: ChildProcess[] = [
    ['real', 'link'],
    ['leaf', 'leaf-link'],
  ].map(([a = '', b = '']) => spawn(flipper, [root, a, b], { stdio: 'inherit', uid: UID, gid: UID }));
  const endings = new Map<string, number>();
  let breach: string | null = null;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total && breach === null) {
      const serial = next++;
      const reply = await (VERBS[serial % VERBS.length] as (typeof VERBS)[number])(peer, serial);
      if (reply.data.includes('CANARY') || reply.extra.includes('CANARY'))
        breach = `operation ${serial % VERBS.length} returned the canary`;
      if (serial % 500 === 0 && stateOf(outside) !== before) breach = 'the outside was changed';
      endings.set(reply.error, (endings.get(reply.error) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const flip of flips) {
    const ended = once(flip, 'exit');
    flip.kill('SIGKILL');
    await ended;
  }
  expect(await peer.end(), 'exit code of the worker').toBe(0);
  if (breach === null && stateOf(outside) !== before) breach = 'the outside was changed';
  // A copy that was led out would lie inside.
  const copies = fs.readdirSync(at('copies'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  if (copies.some((entry) => fs.readFileSync(join(entry.parentPath, entry.name), 'utf8').includes('CANARY')))
    breach ??= 'the canary was copied';
  return { endings, breach };
}

test.each([
  { name: 'openat2', isWalk: false },
  { name: 'component walk', isWalk: true },
])(
  'no verb is led out, with $name',
  async ({ isWalk }) => {
    const { endings, breach } = await storm(buildWorker(base, { isWalk }), OPERATIONS);
    expect(breach).toBe(null);
    expect(endings.get('ok') ?? 0).toBeGreaterThan(OPERATIONS / 20);
    expect(endings.get('EXDEV') ?? 0).toBeGreaterThan(0);
  },
  600_000,
);

test('the same storm leads out a worker that looks where a path leads before it opens it', async () => {
  const { breach } = await storm(buildWorker(base, { isNaive: true }), 100_000);
  expect(breach).not.toBe(null);
}, 600_000);
