// Attack: the claim of a spare. Whatever was done to a spare behind our back, what an open hands out is what was granted,
// belongs to one session only, and a spare that is not as it should be is replaced by a sandbox made from nothing.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import type { Cloister } from '../../client/index.ts';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import { eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const SIZE = 2;
const MIB = 1024 ** 2;
const run = promisify(execFile);
const Spare = z.object({ id: z.string(), tenant: z.null(), shell: z.literal('bash'), containerId: z.string(), workspaceId: z.string() });
type Spare = z.infer<typeof Spare>;

let daemon: TestDaemon;
let acme: Cloister;
let globex: Cloister;

beforeAll(async () => {
  daemon = await startTestDaemon({ config: { pool: { warm: { size: SIZE } } } });
  acme = await daemon.connect('acme');
  globex = await daemon.connect('globex');
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function spares(): Promise<Spare[]> {
  const directory = join(daemon.stateDir, 'sandboxes');
  const files = (await readdir(directory)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8').catch(() => 'null')));
  const all = texts.flatMap((text) => Spare.safeParse(JSON.parse(text)).data ?? []);
  // The record of one that is being removed stays until all else of it is gone.
  const running = await Promise.all(
    all.map(({ containerId }) =>
      daemon.driver.inspect(containerId).then(
        ({ State }) => State.Running,
        () => false,
      ),
    ),
  );
  return all.filter((_, n) => running[n]);
}
const filled = (): Promise<Spare[]> => eventually(spares, (all) => all.length === SIZE, 30_000);

test('two opens at the same moment never get one spare, whichever tenants they are of', async () => {
  const before = await filled();
  const opened = await Promise.all(
    [acme, globex, acme, globex].map((client, n) => client.open({ session: `at-once-${n}`, workspace: { retain: 'delete' } })),
  );
  expect(new Set(opened.map(({ id }) => id)).size).toBe(4);
  expect(new Set(opened.map(({ receipt }) => receipt.uid)).size).toBe(4);
  const warm = opened.filter(({ startKind }) => startKind === 'warm').map(({ id }) => id);
  expect(warm.sort()).toEqual(before.map(({ id }) => id).sort());
  await Promise.all(opened.map((sandbox, n) => sandbox.exec(`echo ${n} > mine; echo ${n} > /tmp/mine`)));
  const seen = await Promise.all(opened.map((sandbox) => sandbox.exec('cat mine /tmp/mine')));
  expect(seen.map(({ stdout }) => stdout)).toEqual([0, 1, 2, 3].map((n) => `${n}\n${n}\n`));
  await Promise.all(opened.map((sandbox) => sandbox.close()));
}, 60_000);

const group = async ({ workspaceId }: Spare): Promise<string> =>
  `0/${(await run('btrfs', ['inspect-internal', 'rootid', join(daemon.stateDir, 'pool', 'ws', workspaceId)])).stdout.trim()}`;

test.each<[string, (spare: Spare) => Promise<unknown>]>([
  ['was killed', ({ containerId }) => daemon.driver.kill(containerId)],
  ['was removed', ({ containerId }) => daemon.driver.remove(containerId, { force: true })],
  [
    'was stopped and started again by hand',
    async ({ containerId }) => {
      await daemon.driver.kill(containerId);
      // Removed by then, perhaps: its end was noticed.
      await daemon.driver.start(containerId).catch(() => undefined);
    },
  ],
  ['stands still', ({ containerId }) => daemon.driver.pause(containerId)],
  ['may have more memory', ({ containerId }) => daemon.driver.updateLimits(containerId, { memoryBytes: 4096 * MIB })],
  ['may have more processes', ({ containerId }) => daemon.driver.updateLimits(containerId, { pids: 4096 })],
  ['may use more processors', ({ containerId }) => daemon.driver.updateLimits(containerId, { cpus: 2 })],
  [
    'may write more to its workspace',
    async (spare) => run('btrfs', ['qgroup', 'limit', 'none', await group(spare), join(daemon.stateDir, 'pool')]),
  ],
])(
  'a spare that %s is not handed out',
  async (_, alter) => {
    const before = await filled();
    await Promise.all(before.map(alter));
    const sandbox = await acme.open({ session: 'altered', workspace: { retain: 'delete' } });
    expect(before.map(({ id }) => id).includes(sandbox.id) ? sandbox.startKind : 'another one').toMatch(/^(cold|another one)$/);
    expect(sandbox.receipt.limits).toMatchObject({ memoryBytes: 512 * MIB, pids: 256, cpus: 1, diskBytes: 1024 * MIB });
    expect(await sandbox.exec('echo fine')).toMatchObject({ stdout: 'fine\n' });
    await sandbox.close();
    // The other one of the two is as bad and must not be left for the next open.
    const next = await globex.open({ session: 'altered', workspace: { retain: 'delete' } });
    expect(next.receipt.limits).toMatchObject({ memoryBytes: 512 * MIB, pids: 256, cpus: 1, diskBytes: 1024 * MIB });
    expect((await next.exec('echo fine')).stdout).toBe('fine\n');
    await next.close();
    expect((await daemon.containers()).length).toBeLessThanOrEqual(SIZE + 1);
  },
  60_000,
);

const ASKED = { memoryBytes: 640 * MIB, pids: 128, cpus: 0.25, diskBytes: 64 * MIB };

test('limits that a claim changes are set in the kernel before anything runs', async () => {
  await filled();
  const sandbox = await acme.open({ session: 'changed', workspace: { retain: 'delete' }, limits: ASKED });
  expect(sandbox.startKind).toBe('warm');
  expect(sandbox.receipt.limits).toMatchObject(ASKED);
  await sandbox.close();
}, 60_000);

test('limits that the engine accepts and does not enforce are seen, and the open is cold', async () => {
  await filled();
  const lie = vi.spyOn(DockerDriver.prototype, 'updateLimits').mockResolvedValue();
  try {
    const sandbox = await acme.open({ session: 'stated', workspace: { retain: 'delete' }, limits: ASKED });
    expect([lie.mock.calls.length, sandbox.startKind]).toEqual([1, 'cold']);
    expect(sandbox.receipt.limits).toMatchObject(ASKED);
    await sandbox.close();
  } finally {
    lie.mockRestore();
  }
}, 60_000);
