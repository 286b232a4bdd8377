// Sessions on real sandboxes: one for each (tenant, session), one controller, an end, and files that outlive it.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 * 1024;

let daemon: TestDaemon;
let acme: Cloister;
let globex: Cloister;

beforeAll(async () => {
  daemon = await startTestDaemon({ config: { pool: { sweepMs: 100 }, ceilings: { perTenant: { sandboxes: 6 } } } });
  [acme, globex] = await Promise.all([daemon.connect('acme'), daemon.connect('globex')]);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

test('the receipt of a default sandbox lists what the kernel enforces', async () => {
  await using sandbox = await acme.open({ session: 'receipt', workspace: { retain: 'delete' } });
  const { receipt } = sandbox;
  expect(receipt).toMatchObject({
    sandboxId: sandbox.id,
    runtime: 'runc',
    noNewPrivs: true,
    profile: 'workspace-write-no-network',
    capabilities: { inheritable: [], permitted: [], effective: [], bounding: [], ambient: [] },
    seccomp: { mode: 2, profile: 'strict', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    network: { interfaces: ['lo'] },
    limits: { memoryBytes: 512 * MIB, cpus: 1, pids: 256, diskBytes: 1024 * MIB, tmpBytes: 128 * MIB },
    workspace: { name: 'receipt', store: 'btrfs', quota: 'hard' },
  });
  expect(receipt.uid).toBeGreaterThanOrEqual(200_000);
  expect(receipt.gid).toBe(receipt.uid);
  expect(receipt.network.routes.filter((route) => !route.includes('lo'))).toEqual([]);
  const flagsOf = Object.fromEntries(receipt.mounts.map(({ target, flags }) => [target, flags]));
  expect(flagsOf['/workspace']).toEqual(expect.arrayContaining(['nosuid', 'nodev']));
  for (const target of ['/run/cloister', '/run/cloister-init', '/etc/resolv.conf'])
    expect(flagsOf[target]).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
  expect((await sandbox.exec('id -u; id -g')).stdout).toBe(`${receipt.uid}\n${receipt.gid}\n`);
});

describe('one session is one sandbox', () => {
  test('however many open it at once on one connection', async () => {
    const opened = await Promise.all(Array.from({ length: 100 }, () => acme.open({ session: 'crowd', workspace: { retain: 'delete' } })));
    expect(new Set(opened).size).toBe(1);
    expect((await acme.list()).filter(({ session }) => session === 'crowd').length).toBe(1);
    expect((await daemon.containers()).length).toBe(1);
    await opened[0]?.close();
    expect(await daemon.containers()).toEqual([]);
  });

  test("and another tenant's session of the same name is another one, with another uid", async () => {
    await using ours = await acme.open({ session: 'same', workspace: { retain: 'delete' } });
    await using theirs = await globex.open({ session: 'same', workspace: { retain: 'delete' } });
    expect(theirs.id).not.toBe(ours.id);
    expect(theirs.receipt.uid).not.toBe(ours.receipt.uid);
    await ours.files.write('secret.txt', 'ours');
    expect(await codeOf(theirs.files.read('secret.txt'))).toBe('FILE_NOT_FOUND');
    expect((await theirs.exec('find / -xdev -name secret.txt 2>/dev/null; ls /workspace')).stdout).toBe('');
  });

  test('that is asked for with other limits than it has is POLICY_INVALID', async () => {
    await using sandbox = await acme.open({ session: 'limits', workspace: { retain: 'delete' }, limits: { pids: 64 } });
    expect(await codeOf(acme.open({ session: 'limits', limits: { pids: 128 } }))).toBe('POLICY_INVALID');
    expect((await sandbox.exec('true')).exitCode).toBe(0);
  });
});

describe('a session has one controller', () => {
  test('another connection is SESSION_BUSY, joins as participant, and takes over when it says so', async () => {
    const other = await daemon.connect('acme');
    const first = await acme.open({ session: 'lease', workspace: { retain: 'delete' } });
    expect(await codeOf(other.open({ session: 'lease' }))).toBe('SESSION_BUSY');

    const participant = await other.open({ session: 'lease', role: 'participant' });
    expect(participant.id).toBe(first.id);
    expect((await participant.exec('echo joined')).stdout).toBe('joined\n');
    expect(await codeOf(participant.close())).not.toBe('no error');
    expect((await first.exec('echo still here')).stdout).toBe('still here\n');

    const second = await other.open({ session: 'lease', takeover: true });
    expect(second.id).toBe(first.id);
    expect(await codeOf(first.exec('true'))).toBe('LEASE_LOST');
    expect(await codeOf(first.files.list('.'))).toBe('LEASE_LOST');
    expect((await second.exec('echo mine')).stdout).toBe('mine\n');
    await second.close();
    await other.close();
  });
});

describe('a session ends', () => {
  test('when it was idle for idleMs', async () => {
    const sandbox = await acme.open({ session: 'idle', idleMs: 1000, workspace: { retain: 'delete' } });
    expect(
      await eventually(
        () => codeOf(acme.list().then((all) => all.some(({ id }) => id === sandbox.id) || Promise.reject({ code: 'gone' }))),
        (code) => code === 'gone',
      ),
    ).toBe('gone');
    expect(await codeOf(sandbox.exec('true'))).toBe('SESSION_EXPIRED');
  });

  test('not for idleness while a command runs', async () => {
    await using sandbox = await acme.open({ session: 'busy', idleMs: 1000, workspace: { retain: 'delete' } });
    expect(await sandbox.exec('sleep 2.5; echo done')).toMatchObject({ outcome: 'exited', stdout: 'done\n' });
  });

  test('when its time to live is over, whatever it does', async () => {
    const sandbox = await acme.open({ session: 'ttl', ttlMs: 1500, workspace: { retain: 'delete' } });
    expect(await sandbox.exec('sleep 600')).toMatchObject({
      outcome: 'killed',
      by: 'session:close',
      reason: expect.stringContaining('time to live') as string,
    });
    expect(await codeOf(sandbox.exec('true'))).toBe('SESSION_EXPIRED');
  });

  test('later when it is extended', async () => {
    await using sandbox = await acme.open({ session: 'extended', ttlMs: 1500, workspace: { retain: 'delete' } });
    await sandbox.extend({ ttlMs: 600_000 });
    expect(await sandbox.exec('sleep 2.5')).toMatchObject({ outcome: 'exited', exitCode: 0 });
  });
});

describe('a workspace', () => {
  test('is kept when its session is closed, with its files, its uid and nothing of /tmp', async () => {
    const first = await acme.open({ session: 'kept' });
    await first.exec('echo hello > file.txt; mkdir -p deep/er; ln -s file.txt link; echo gone > /tmp/gone');
    const { uid } = first.receipt;
    await first.close();
    const second = await acme.open({ session: 'kept' });
    expect(second).toMatchObject({ created: true, receipt: { uid } });
    expect((await second.exec('cat link; stat -c %u file.txt; ls /tmp/gone')).stdout).toBe(`hello\n${uid}\n`);
    await second.close({ workspace: 'delete' });
  });

  test('is deleted when that is asked for', async () => {
    const first = await acme.open({ session: 'deleted' });
    await first.files.write('file.txt', 'x');
    await first.close({ workspace: 'delete' });
    await using second = await acme.open({ session: 'deleted', workspace: { retain: 'delete' } });
    expect((await second.files.list('.')).entries).toEqual([]);
  });

  test('has a uid of its own', async () => {
    const all = await Promise.all(
      ['one', 'two', 'three'].map((name) => acme.open({ session: `uid-${name}`, workspace: { retain: 'delete' } })),
    );
    expect(new Set(all.map(({ receipt }) => receipt.uid)).size).toBe(3);
    await Promise.all(all.map((sandbox) => sandbox.close()));
  });

  test('of one name is used by one session at a time', async () => {
    await using first = await acme.open({ session: 'owner', workspace: { name: 'shared', retain: 'delete' } });
    expect(await codeOf(acme.open({ session: 'second', workspace: { name: 'shared' } }))).toBe('SESSION_BUSY');
    expect((await first.exec('true')).exitCode).toBe(0);
  });
});

test('a tenant over its ceiling gets QUOTA_EXCEEDED, another tenant does not, and the place comes back', async () => {
  const six = await Promise.all(Array.from({ length: 6 }, (_, n) => acme.open({ session: `full-${n}`, workspace: { retain: 'delete' } })));
  expect(await codeOf(acme.open({ session: 'full-6' }))).toBe('QUOTA_EXCEEDED');
  await using other = await globex.open({ session: 'other', workspace: { retain: 'delete' } });
  expect((await other.exec('true')).exitCode).toBe(0);
  await six[0]?.close();
  six[0] = await acme.open({ session: 'full-6', workspace: { retain: 'delete' } });
  await Promise.all(six.map((sandbox) => sandbox.close()));
});

test('every opening, command and end is in the audit log', async () => {
  await using sandbox = await acme.open({ session: 'audited', labels: { agent: 'tester' }, workspace: { retain: 'delete' } });
  await sandbox.exec(['echo', 'audited'], { env: { SECRET_VALUE: 'not to be logged' } });
  const text = await readFile(join(daemon.stateDir, 'audit.jsonl'), 'utf8');
  const ours = text.split('\n').filter((line) => line.includes(sandbox.id));
  for (const kind of ['sandbox.open', 'exec.start', 'exec.end']) expect(ours.some((line) => line.includes(kind))).toBe(true);
  expect(ours.some((line) => line.includes('"agent":"tester"'))).toBe(true);
  expect(text).not.toContain('not to be logged');
});
