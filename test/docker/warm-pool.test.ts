// Spares: an open gets a started sandbox that nobody had, what it gets is what it asked for, and each is used once.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Cloister, OpenOptions, Sandbox } from '../../client/index.ts';
import { verifyReceipt } from '../../client/verify-receipt.ts';
import { eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const MIB = 1024 ** 2;
const PROFILES = ['workspace-write-no-network', 'workspace-write', 'readonly'];
let daemon: TestDaemon;
let client: Cloister;

beforeAll(async () => {
  daemon = await startTestDaemon({
    config: { pool: { warm: { size: 1, profiles: PROFILES } }, ceilings: { perTenant: { sandboxes: 8 }, host: { sandboxes: 9 } } },
  });
  client = await daemon.connect('acme-corp');
  await filled();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const recordsIn = async (name: string): Promise<string[]> => {
  const directory = join(daemon.stateDir, name);
  const files = (await readdir(directory)).filter((file) => /^[a-z0-9_]+\.json$/.test(file));
  return Promise.all(files.map((file) => readFile(join(directory, file), 'utf8').catch(() => '')));
};
const spares = async (): Promise<number> =>
  (await recordsIn('sandboxes')).filter((text) => text.includes('"tenant":null') && text.includes('"shell":"bash"')).length;
const filled = () => eventually(spares, (count) => count === PROFILES.length, 30_000);
const open = async (session: string, options: Partial<OpenOptions> = {}): Promise<Sandbox> =>
  client.open({ session, workspace: { retain: 'delete' }, ...options });

describe('an open that fits a spare', () => {
  test('is warm, and its sandbox is an ordinary one with a receipt of its own', async () => {
    const sandbox = await open('plain', { env: { GREETING: 'hello' }, labels: { agent: 'a1' } });
    expect(sandbox).toMatchObject({ startKind: 'warm', created: true, session: 'plain', tenant: 'acme-corp' });
    expect(sandbox.receipt).toMatchObject({ sandboxId: sandbox.id, workspace: { name: 'plain', quota: 'hard' } });
    expect(verifyReceipt(sandbox.receipt, client.receiptKey)).toBe(true);
    expect(await sandbox.exec('echo "$GREETING $HOME"; id -u; pwd')).toMatchObject({
      stdout: `hello /tmp/home\n${sandbox.receipt.uid}\n/workspace\n`,
    });
    await sandbox.files.write('a.txt', 'kept');
    expect((await client.list({ labels: { agent: 'a1' } })).map(({ session }) => session)).toEqual(['plain']);
    // Joined again it is attached, like any other.
    expect((await (await daemon.connect('acme-corp')).open({ session: 'plain', role: 'participant' })).startKind).toBe('attached');

    const seen = await sandbox.exec(
      'cat /proc/self/mountinfo /proc/self/environ /etc/passwd /etc/hosts; hostname; cat /proc/1/cgroup; env',
    );
    expect(seen.stdout).not.toMatch(/acme|plain/);
    const { Config, Name } = z
      .object({ Config: z.unknown(), Name: z.string().optional() })
      .parse(await daemon.driver.inspect(`cloister-${sandbox.id}`));
    expect(JSON.stringify([Config, Name])).not.toMatch(/acme|plain/);
    await sandbox.close();
  });

  test('gets limits that differ from the default ones, in the kernel and in the receipt', async () => {
    await filled();
    const limits = { memoryBytes: 768 * MIB, cpus: 0.5, pids: 64, diskBytes: 8 * MIB, execs: 2 };
    const sandbox = await open('limited', { limits });
    expect(sandbox.startKind).toBe('warm');
    expect(sandbox.receipt.limits).toMatchObject({ memoryBytes: 768 * MIB, cpus: 0.5, pids: 64, diskBytes: 8 * MIB });
    expect(await sandbox.exec('head -c 20000000 /dev/zero > big')).toMatchObject({ exitCode: 1 });
    expect((await sandbox.exec('python3 -c "x = bytearray(900 * 2**20)"')).outcome).toBe('oomKilled');
    const forks = 'for i in $(seq 100); do sleep 5 & done 2>&1; wait';
    expect((await sandbox.exec(forks, { timeoutMs: 20_000 })).stdout).toMatch(/fork|Resource temporarily unavailable/);
    const running = [1, 2].map(() => sandbox.exec('sleep 600', { background: true }));
    await eventually(
      () => sandbox.execs(),
      (all) => all.filter(({ state }) => state === 'running').length === 2,
    );
    await expect(sandbox.exec('true').result).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await sandbox.close();
    await Promise.allSettled(running);
  });

  test('of a profile with a way out knows its proxy and its policy', async () => {
    await filled();
    const sandbox = await open('out', { profile: 'workspace-write', egress: { deny: ['blocked.example'] } });
    expect(sandbox.startKind).toBe('warm');
    expect((await sandbox.exec('echo "$HTTPS_PROXY"')).stdout).toContain('127.0.0.1:3128');
    expect(await sandbox.egress.explain('http://blocked.example/')).toMatchObject({ verdict: 'deny' });
    const { egress } = await sandbox.exec('curl -s -o /dev/null http://blocked.example/');
    expect(egress).toMatchObject([{ host: 'blocked.example', verdict: 'deny' }]);
    await sandbox.close();
  });

  test('of a read-only profile can write nowhere but in memory', async () => {
    await filled();
    const sandbox = await open('looks', { profile: 'readonly' });
    expect(sandbox.startKind).toBe('warm');
    expect(await sandbox.exec('touch /workspace/x || touch /tmp/x')).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('Read-only') as string,
    });
    await sandbox.close();
  });
});

describe('an open is cold', () => {
  test('where its workspace exists, and finds its files and its uid', async () => {
    await filled();
    const first = await client.open({ session: 'again' });
    await first.files.write('kept.txt', 'kept');
    const { uid } = first.receipt;
    await first.close();
    await filled();
    const second = await open('again');
    expect([second.startKind, second.receipt.uid]).toEqual(['cold', uid]);
    expect(await second.files.readText('kept.txt')).toBe('kept');
    await second.close({ workspace: 'delete' });
  });

  test.each<[string, Partial<OpenOptions>]>([
    ['/tmp has another size', { limits: { tmpBytes: 32 * MIB } }],
    ['/dev/shm would have another size', { limits: { memoryBytes: 128 * MIB } }],
    ['a file may be larger than in any spare', { limits: { diskBytes: 2048 * MIB } }],
  ])('where %s', async (_, options) => {
    await filled();
    const sandbox = await open('differs', options);
    expect(sandbox.startKind).toBe('cold');
    await sandbox.close();
  });
});

test('a spare has its uid for itself, and is used once', async () => {
  await filled();
  const one = await open('one');
  await one.exec('echo mine > /tmp/mine; echo mine > mine');
  await one.close();
  await filled();
  const two = await open('two');
  expect([one.startKind, two.startKind]).toEqual(['warm', 'warm']);
  expect(two.id).not.toBe(one.id);
  expect(two.receipt.uid).not.toBe(one.receipt.uid);
  expect((await two.exec('ls -A /tmp/mine mine')).stdout).toBe('');
  await two.close();
});

test('spares make room for whoever needs their place', async () => {
  await filled();
  const other = await daemon.connect('globex');
  const sandboxes: Sandbox[] = [];
  // Eight of one tenant and one of another: nine, which is all that the host may have.
  for (let n = 0; n < 8; n += 1) sandboxes.push(await open(`many-${n}`, { limits: { tmpBytes: 16 * MIB } }));
  sandboxes.push(await other.open({ session: 'last', workspace: { retain: 'delete' }, limits: { tmpBytes: 16 * MIB } }));
  expect((await daemon.containers()).length).toBe(9);
  await expect(other.open({ session: 'more' })).rejects.toMatchObject({ code: 'CAPACITY' });
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
}, 60_000);

test('a daemon that stops leaves no spare to the next one', async () => {
  await filled();
  await daemon.stop('keep');
  expect(await daemon.containers()).toEqual([]);
  for (const name of ['sandboxes', 'workspaces'])
    expect((await recordsIn(name)).filter((text) => text.includes('"tenant":null'))).toEqual([]);
});
