// Nothing of ours stays: not while sandboxes come and go, and not after the daemon.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { loopDevicesUnder, mountsUnder, openDescriptors, processesNaming } from '../support/host-view.ts';
import { spawnTestDaemon, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const list = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

/** What a daemon holds on the host, apart from what it always holds. */
async function holdings(daemon: TestDaemon): Promise<Record<string, readonly string[]>> {
  const { stateDir } = daemon;
  return {
    containers: await daemon.containers(),
    mounts: (await mountsUnder(stateDir)).sort(),
    loops: await loopDevicesUnder(stateDir),
    slots: (await list(join(stateDir, 'run'))).sort(),
    records: await list(join(stateDir, 'sandboxes')),
    spools: await list(join(stateDir, 'spool')),
    workspaces: (await list(join(stateDir, 'workspaces'))).sort(),
    subvolumes: (await list(join(stateDir, 'pool', 'ws'))).sort(),
  };
}

test('20 sandboxes, one after the other and at once, leave a daemon as it was', async () => {
  await using daemon = await spawnTestDaemon();
  const client = await daemon.connect('acme');
  const cycle = async (session: string): Promise<void> => {
    const sandbox = await client.open({ session, workspace: { retain: 'delete' } });
    await sandbox.files.write('a/b.txt', 'x');
    const [result] = await Promise.all([sandbox.exec('cat a/b.txt'), sandbox.exec('yes | head -c 1000000')]);
    sandbox.exec('sleep 600', { background: true }).then(
      () => undefined,
      () => undefined,
    );
    await sandbox.execs();
    expect(result.stdout).toBe('x');
    await sandbox.close();
  };
  await cycle('warm-up');
  const before = await holdings(daemon);
  const descriptorsBefore = await openDescriptors(daemon.pid);
  for (let n = 0; n < 8; n += 1) await cycle(`one-${n}`);
  for (let round = 0; round < 3; round += 1) await Promise.all(Array.from({ length: 4 }, (_, n) => cycle(`four-${n}`)));
  expect(await holdings(daemon)).toEqual(before);
  expect(before).toMatchObject({ containers: [], records: [], spools: [] });
  expect(
    await eventually(
      () => openDescriptors(daemon.pid),
      (count) => count <= descriptorsBefore + 2,
      10_000,
    ),
  ).toBeLessThanOrEqual(descriptorsBefore + 2);
}, 120_000);

test.each([
  ['in this process', () => startTestDaemon()],
  ['as a process that gets SIGTERM', () => spawnTestDaemon()],
])('a daemon %s that stops with sandboxes at work leaves no container, mount, loop device or process', async (_, start) => {
  await using daemon = await start();
  const { stateDir } = daemon;
  const client = await daemon.connect('acme');
  const [one, two] = await Promise.all([client.open({ session: 'one' }), client.open({ session: 'two' })]);
  await one.files.write('kept.txt', 'kept');
  two.exec('sleep 600', { background: true }).then(
    () => undefined,
    () => undefined,
  );
  await two.execs();
  expect((await daemon.containers()).length).toBe(2);
  expect((await mountsUnder(stateDir)).length).toBeGreaterThan(0);
  expect((await loopDevicesUnder(stateDir)).length).toBe(1);

  await daemon.stop('close');
  expect(await daemon.containers()).toEqual([]);
  expect(await mountsUnder(stateDir)).toEqual([]);
  // Whoever looks at a device at that moment, as a udev does, delays its end.
  expect(
    await eventually(
      () => loopDevicesUnder(stateDir),
      (loops) => loops.length === 0,
    ),
  ).toEqual([]);
  expect(await processesNaming(stateDir)).toEqual([]);
  expect(await list(join(stateDir, 'sandboxes'))).toEqual([]);

  await using again = await startTestDaemon({ stateDir });
  const reopened = await (await again.connect('acme')).open({ session: 'one' });
  expect(await reopened.files.readText('kept.txt')).toBe('kept');
});

test('a sandbox that cannot be made leaves nothing', async () => {
  await using daemon = await startTestDaemon({ config: { images: { allow: { none: 'cloister-test-no-such-image:latest' } } } });
  const client = await daemon.connect('acme');
  const before = await holdings(daemon);
  await expect(client.open({ session: 'none', image: 'none' })).rejects.toMatchObject({ code: 'IMAGE_NOT_ALLOWED' });
  await expect(client.open({ session: 'tmp', limits: { memoryBytes: 64 * 1024 ** 2, tmpBytes: 60 * 1024 ** 2 } })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
  });
  expect(await holdings(daemon)).toEqual(before);
  expect((await client.list()).length).toBe(0);
});
