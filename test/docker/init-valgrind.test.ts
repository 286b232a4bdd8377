// cloister-init reads nothing that it has not written, and nothing it has given back: PID 1, its supervisors and helpers
// under valgrind, through all that a daemon asks for. And the sanitized build does the same.

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOWN, FLAG, UP } from '../../daemon/link/frames.ts';
import { InitPeer } from '../support/init-peer.ts';

const run = promisify(execFile);
const INIT = join(import.meta.dirname, '../../images/init');
const VALGRIND = ['/usr/bin/valgrind.bin', '/usr/libexec/valgrind'];
/** The protocol's operations on files, by their numbers. */
const FILE = { write: 2, read: 1, list: 3, stat: 4, mkdir: 5, copy: 8, move: 7, hash: 12, remove: 6 };
const PARENTS = 1;
const RECURSIVE = 8;

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'cl-init-builds-'));
  await chmod(out, 0o755);
  await run('make', ['asan', `ASAN_OUT=${join(out, 'asan')}`], { cwd: INIT });
}, 240_000);
afterAll(async () => {
  await rm(out, { recursive: true, force: true });
});

function fileBody(op: number, path: string, more: { readonly path2?: string; readonly flags?: number } = {}): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt8(op, 0);
  head.writeUInt8(more.flags ?? 0, 1);
  head.writeUInt16LE(Buffer.byteLength(path), 2);
  head.writeUInt16LE(Buffer.byteLength(more.path2 ?? ''), 4);
  return Buffer.concat([head, Buffer.from(path + (more.path2 ?? ''))]);
}

/** Of each FILE its error, in order. */
async function files(peer: InitPeer): Promise<number[]> {
  const errors: number[] = [];
  let id = 0;
  const ask = async (body: Buffer, data?: Buffer): Promise<void> => {
    id += 1;
    peer.send(DOWN.file, 0, id, body);
    if (data !== undefined) peer.send(DOWN.fileData, FLAG.eof, id, data);
    for (let frame = await peer.other(); ; frame = await peer.other()) {
      if (frame.type !== UP.fileEnd || frame.id !== id) continue;
      errors.push(frame.body.readUInt32LE(0));
      return;
    }
  };
  await ask(fileBody(FILE.mkdir, 'a/b', { flags: PARENTS }));
  await ask(fileBody(FILE.write, 'a/b/file', { flags: PARENTS }), Buffer.alloc(40_000, 'x'));
  await ask(fileBody(FILE.read, 'a/b/file'));
  await ask(fileBody(FILE.stat, 'a/b/file'));
  await ask(fileBody(FILE.hash, 'a/b/file'));
  await ask(fileBody(FILE.copy, 'a', { path2: 'c', flags: RECURSIVE }));
  await ask(fileBody(FILE.move, 'c', { path2: 'd' }));
  await ask(fileBody(FILE.list, ''));
  await ask(fileBody(FILE.remove, 'd', { flags: RECURSIVE }));
  await ask(fileBody(FILE.read, 'none'));
  return errors;
}

async function everything(peer: InitPeer): Promise<void> {
  const echo = peer.exec('cat; echo err >&2; exit 3', { stdin: true });
  echo.write('in\n', true);
  expect(await echo.end()).toMatchObject({ code: 3, reason: 'self' });
  expect(echo.stdout + echo.stderr).toBe('in\nerr\n');
  expect(await peer.exec(['no-such-program']).end()).toMatchObject({ reason: 'notStarted' });
  const flood = peer.exec('head -c 600000 /dev/zero');
  await flood.end();
  expect(flood.received).toBe(600_000);
  const tty = peer.exec('tty; stty size', { pty: { columns: 80, rows: 24 } });
  expect((await tty.end()).code).toBe(0);
  expect(tty.stdout).toMatch(/\/dev\/pts\/\d+\r\n24 80\r\n/);
  const killed = peer.exec('(sleep 600 &); setsid sleep 600 & echo up; wait');
  await killed.until((exec) => exec.stdout.includes('up'));
  peer.killTree(killed, 100);
  expect(await killed.end()).toMatchObject({ reason: 'killed', lingering: 0 });
  expect(await peer.exec('sleep 600', { wallMs: 200, graceMs: 100 }).end()).toMatchObject({ reason: 'wall' });
  expect(await peer.exec('sleep 600', { idleMs: 200, graceMs: 100 }).end()).toMatchObject({ reason: 'idle' });
  expect(await peer.exec('kill -9 $PPID; sleep 600').end()).toMatchObject({ reason: 'supervisorLost' });
  expect(await files(peer)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

  const egress = createServer((socket) => socket.end('answer'));
  const path = join(peer.container.runDir, 'egress.sock');
  await new Promise<void>((resolve) => egress.listen(path, resolve));
  await chmod(path, 0o666);
  const ask = peer.exec(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/3128; cat <&3']);
  expect((await ask.end()).code).toBe(0);
  expect(ask.stdout).toBe('answer');
  egress.close();

  const server = peer.exec([
    'python3',
    '-uc',
    'import socket\ns = socket.create_server(("127.0.0.1", 8080)); print("up"); c, _ = s.accept(); c.sendall(c.recv(9)); c.close()',
  ]);
  await server.until((exec) => exec.stdout.includes('up'));
  peer.send(DOWN.dial, 0, 1, Buffer.from([8080 & 255, 8080 >> 8]));
  while ((await peer.other()).type !== UP.dialed);
  peer.send(DOWN.dialData, FLAG.eof, 1, Buffer.from('dialed'));
  let answer = '';
  for (let frame = await peer.other(); frame.type !== UP.dialClosed; frame = await peer.other())
    if (frame.type === UP.dialData) answer += frame.body.toString();
  expect(answer).toBe('dialed');
  await server.end();

  const cut = peer.exec('echo one; sleep 0.3; echo two');
  await cut.started;
  const again = peer.connect();
  peer.cut();
  await again;
  peer.credit(cut, true);
  await cut.end();
  expect(cut.stdout).toBe('one\ntwo\n');
  expect(await peer.exec('kill -9 -1; sleep 600').end()).toMatchObject({ reason: 'supervisorLost' });
  peer.send(DOWN.report, 0, 0);
  while ((await peer.other()).type !== UP.selfReport);
}

describe('the binary', () => {
  test('is one of less than 128 KiB', async () => {
    expect((await stat(process.env['CLOISTER_TEST_INIT'] ?? '')).size).toBeLessThan(128 * 1024);
  });

  test('takes less than 1 MiB of memory while it has nothing to do, also after it had', async () => {
    await using peer = await InitPeer.start();
    expect(await peer.container.residentBytes()).toBeLessThan(1024 * 1024);
    await peer.exec('head -c 3000000 /dev/zero').end();
    expect(await peer.container.residentBytes()).toBeLessThan(1024 * 1024);
  });
});

describe('all that a daemon asks for', () => {
  test('finds nothing under valgrind', async () => {
    await using peer = await InitPeer.start({
      args: VALGRIND.flatMap((path) => ['-v', `${path}:${path}:ro`]),
      through: [
        '/usr/bin/valgrind.bin',
        '--vgdb=no',
        '--log-file=/workspace/valgrind.%p',
        '--child-silent-after-fork=no',
        '--track-fds=no',
      ],
    });
    await everything(peer);
    await peer.container.stop();
    const logs = (await readdir(peer.container.workspace)).filter((name) => name.startsWith('valgrind.'));
    const texts = await Promise.all(logs.map((name) => readFile(join(peer.container.workspace, name), 'utf8')));
    expect(texts.filter((text) => /ERROR SUMMARY: 0 errors/.test(text)).length).toBeGreaterThan(5);
    expect(await readFile(join(peer.container.workspace, 'valgrind.1'), 'utf8')).toContain('ERROR SUMMARY: 0 errors');
    expect(
      texts.flatMap((text) => text.split('\n')).filter((line) => /Invalid|ninitialised|unaddressable|overlap|SUMMARY: [1-9]/.test(line)),
    ).toEqual([]);
  }, 120_000);

  test('finds nothing in the build with sanitizers', async () => {
    await using peer = await InitPeer.start({ init: join(out, 'asan'), args: ['--memory', '2g', '--memory-swap', '2g'] });
    await everything(peer);
    expect((await peer.exec(['true']).end()).code).toBe(0);
  }, 120_000);
});
