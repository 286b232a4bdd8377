// What a tenant may plant where the file verbs look: magic links of /proc, hard links, endless sparse files, pipes, sockets. None of
// it leads the verbs anywhere, holds them up or makes them answer with anything but its own content.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox, SandboxError } from '../../client/index.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;

let daemon: TestDaemon;
let sandbox: Sandbox;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'planted', workspace: { retain: 'delete' }, limits: { diskBytes: 64 * MIB } });
  const planted = await sandbox.exec(`mkdir magic
    for link in self/root self/cwd self/exe self/fd/0 self/ns/net 1/root 1/cwd 1/fd/0 self/map_files; do
      ln -s "/proc/$link" "magic/$(echo "$link" | tr / -)"; done
    echo own > first; ln first second; ln -s first soft; ln soft hard-to-soft
    mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'`);
  expect(planted).toMatchObject({ exitCode: 0, stderr: '' });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const outcome = (call: PromiseLike<unknown>): Promise<unknown> => Promise.resolve(call).catch((error: SandboxError) => error.code);

test('a magic link of /proc is a symlink that leads out, for reading, writing and walking', async () => {
  const { entries } = await sandbox.files.list('magic');
  expect(entries).toHaveLength(9);
  for (const path of entries.map((entry) => `magic/${entry.path}`)) {
    expect(await outcome(sandbox.files.read(path)), path).toBe('PATH_ESCAPES_WORKSPACE');
    expect(await outcome(sandbox.files.read(`${path}/etc/hostname`)), path).toBe('PATH_ESCAPES_WORKSPACE');
    expect(await outcome(sandbox.files.list(path)), path).toBe('PATH_ESCAPES_WORKSPACE');
    expect(await outcome(sandbox.files.write(`${path}/tmp/mine`, 'x')), path).toBe('PATH_ESCAPES_WORKSPACE');
    expect(await outcome(sandbox.files.chmod(path, 0o600)), path).toBe('PATH_ESCAPES_WORKSPACE');
  }
  expect(await outcome(sandbox.files.read('/proc/self/environ'))).toBe('PATH_ESCAPES_WORKSPACE');
});

test('a hard link is the file; a whole write makes a new file and leaves the other name alone', async () => {
  expect(await sandbox.files.readText('second')).toBe('own\n');
  await sandbox.files.write('second', 'new');
  expect(await sandbox.files.readText('first')).toBe('own\n');
  await sandbox.files.write('hard-to-soft', 'through');
  expect(await sandbox.files.readText('first')).toMatch(/^(own\n|through)$/);
});

test('what belongs to the image or the kernel can be linked into the workspace by no name', async () => {
  const tried = await sandbox.exec(
    'for of in /etc/passwd /run/cloister-init /dev/null; do ln "$of" stolen 2>&1; done; mknod device c 1 3 2>&1; ls',
  );
  expect(tried.stdout).toMatch(/(cross-device|not permitted|denied)/i);
  expect(tried.stdout.split('\n')).not.toContain('stolen');
  expect(tried.stdout.split('\n')).not.toContain('device');
});

test('a sparse file is as large as the disk limit and no larger, and reading a part of it costs that part', async () => {
  const made = await sandbox.exec('truncate -s 1P endless 2>&1; echo $?; truncate -s 64M holes; echo $?');
  expect(made.stdout.trim().split('\n').at(-2)).not.toBe('0');
  expect(made.stdout.trim().split('\n').at(-1)).toBe('0');
  expect(await sandbox.files.stat('holes')).toMatchObject({ size: 64 * MIB });
  expect(await sandbox.files.read('holes', { offset: 63 * MIB, length: 10 })).toEqual(Buffer.alloc(10));
});

test('pipes and sockets are answered as what they are, without waiting for anybody', async () => {
  for (const [path, kind] of [
    ['pipe', 'fifo'],
    ['socket', 'socket'],
  ] as const) {
    expect(await sandbox.files.stat(path)).toMatchObject({ kind });
    expect(await outcome(sandbox.files.read(path)), path).toBe('NOT_REGULAR_FILE');
    expect(await outcome(sandbox.files.write(path, 'x', { append: true })), path).toBe('NOT_REGULAR_FILE');
  }
  const { lines } = await sandbox.files.grep('own', { literal: true });
  expect(lines.map(({ path }) => path)).toContain('first');
});
