// A sandbox under gVisor does what one under runc does, within the limits it was granted, and its receipt states what can
// be proven of it and nothing else.

import { release } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf } from '../support/eventually.ts';
import { sharedDevices } from '../support/host-devices.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;
let before: Awaited<ReturnType<typeof sharedDevices>>;
let daemon: TestDaemon;
let client: Cloister;
let sandbox: Sandbox;

beforeAll(async () => {
  before = await sharedDevices();
  daemon = await startTestDaemon({ config: { engine: { socketPath: engineSocket(), runtimes: ['runc', 'runsc', 'crun'] } } });
  client = await daemon.connect('acme');
  sandbox = await client.open({ session: 'gvisor', runtime: 'runsc', profile: 'workspace-write', limits: { memoryBytes: 512 * MIB } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('under runsc', () => {
  test('commands run on a kernel of its own, with both streams, stdin and exit code', async () => {
    expect((await sandbox.exec(['uname', '-r'])).stdout.trim()).not.toBe(release());
    expect(await sandbox.exec('cat; echo err >&2; exit 3', { stdin: 'in' })).toMatchObject({
      outcome: 'exited',
      exitCode: 3,
      stdout: 'in',
      stderr: 'err\n',
    });
    expect(await sandbox.exec(['no-such-program'])).toMatchObject({ exitCode: 127 });
  });

  test('a command over its limit is ended with its whole tree', async () => {
    expect(await sandbox.exec('(setsid sleep 600 &); trap "" TERM; sleep 600; sleep 600', { timeoutMs: 300 })).toMatchObject({
      outcome: 'timedOut',
    });
    expect((await sandbox.exec(['pgrep', '-c', 'sleep'])).stdout).toBe('0\n');
  });

  test('a terminal is one', async () => {
    const tty = await sandbox.exec('tty; stty size', { pty: { columns: 100, rows: 30 } });
    expect(tty.stdout).toMatch(/\/dev\/pts\/\d+\r\n30 100\r\n/);
  });

  test('files go in and out through init, and stay in the workspace', async () => {
    await sandbox.files.write('a/b.txt', 'text');
    expect((await sandbox.exec('cat a/b.txt; echo more >> a/b.txt')).stdout).toBe('text');
    expect(await sandbox.files.readText('a/b.txt')).toBe('textmore\n');
    await sandbox.exec('ln -s /etc out');
    expect(await codeOf(sandbox.files.readText('out/passwd'))).toBe('PATH_ESCAPES_WORKSPACE');
  });

  test('the only way out is the proxy, which decides', async () => {
    const result = await sandbox.exec(
      'curl -sS -o /dev/null -w "%{http_code}" http://blocked.example.com/; curl -sS -m 5 --noproxy "*" http://192.0.2.1/',
    );
    expect(result.stdout).toMatch(/^403/);
    expect(result.exitCode).not.toBe(0);
    expect(result.egress).toEqual([expect.objectContaining({ host: 'blocked.example.com', verdict: 'deny' })]);
  });

  test('the filter of the profile holds inside', async () => {
    const result = await sandbox.exec([
      'python3',
      '-c',
      'import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.unshare(0x10000000), ctypes.get_errno())',
    ]);
    expect(result.stdout).toBe('-1 1\n');
  });

  test('the receipt states identity, filter and limits, and no mount', () => {
    const { receipt } = sandbox;
    expect(receipt).toMatchObject({
      runtime: 'runsc',
      capabilities: { effective: [], bounding: [] },
      noNewPrivs: true,
      seccomp: { mode: 2 },
      mounts: [],
      network: { interfaces: ['lo'], routes: [] },
      limits: { memoryBytes: 512 * MIB, pids: 256, cpus: 1 },
    });
    expect(receipt.uid).toBeGreaterThanOrEqual(200_000);
  });

  test('memory beyond the limit ends what is in the sandbox, the host and other sandboxes go on', async () => {
    const other = await client.open({ session: 'beside', workspace: { retain: 'delete' } });
    const small = await client.open({
      session: 'small',
      runtime: 'runsc',
      limits: { memoryBytes: 192 * MIB },
      workspace: { retain: 'delete' },
    });
    const result = await small.exec(['python3', '-c', 'x = bytearray(1 << 30)'], { timeoutMs: 20_000 });
    expect(['exited', 'signalled', 'oomKilled', 'lost']).toContain(result.outcome);
    expect(result.exitCode).not.toBe(0);
    expect((await other.exec('echo fine')).stdout).toBe('fine\n');
    await other.close();
  });
});

test('a runtime that the engine does not have is refused', async () => {
  expect(await codeOf(client.open({ session: 'none', runtime: 'kata' }))).toBe('POLICY_INVALID');
});

test('crun takes read-only, nosuid and nodev off what is mounted: the receipt sees it, and no sandbox under it is handed out', async () => {
  const before = await daemon.containers();
  await expect(client.open({ session: 'crun', runtime: 'crun', workspace: { retain: 'delete' } })).rejects.toMatchObject({
    code: 'ENFORCEMENT_MISMATCH',
    message: expect.stringMatching(
      /mount \/workspace flags: expected rw,nosuid,nodev, got rw,[\s\S]*mount \/run\/cloister flags: expected ro/,
    ) as string,
  });
  expect(await daemon.containers()).toEqual(before);
});

test('no device that the host shares with others has changed hands: its /dev/null is still its own', async () => {
  await sandbox.close();
  expect(await sharedDevices()).toEqual(before);
});
