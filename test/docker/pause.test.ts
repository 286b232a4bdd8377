// A sandbox that stands still: nothing in it runs, its time limits stand still with it, the next call wakes it, and neither
// the daemon's death nor its own changes what is in it.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloister, Sandbox } from '../../client/index.ts';
import { codeOf, eventually } from '../support/eventually.ts';
import { startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const PAUSE_IDLE_MS = 1500;
let daemon: TestDaemon;
let client: Cloister;

beforeAll(async () => {
  daemon = await startTestDaemon({ config: { pool: { sweepMs: 200, pauseIdleMs: PAUSE_IDLE_MS } } });
  client = await daemon.connect('acme');
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const stateOf = async (sandbox: Sandbox): Promise<string | undefined> => (await client.list()).find(({ id }) => id === sandbox.id)?.state;
const isPaused = async ({ id }: Sandbox): Promise<boolean> => (await daemon.driver.inspect(`cloister-${id}`)).State.Paused;

test('a sandbox with nothing to do is paused after its time and resumed by the next call, of any kind', async () => {
  const sandbox = await client.open({ session: 'idle' });
  await sandbox.files.write('a.txt', 'kept');
  await eventually(
    () => isPaused(sandbox),
    (paused) => paused,
  );
  expect(await stateOf(sandbox)).toBe('paused');
  expect(await sandbox.files.readText('a.txt')).toBe('kept');
  await eventually(
    () => isPaused(sandbox),
    (paused) => paused,
  );
  expect((await sandbox.exec('cat a.txt')).stdout).toBe('kept');
  expect(await stateOf(sandbox)).toBe('running');
  await sandbox.close();
  expect(await daemon.containers()).toEqual([]);
});

describe('a pause that is asked for', () => {
  test('is refused while a command runs; forced it stops the command and its time limit, and a call lets both go on', async () => {
    const sandbox = await client.open({ session: 'forced' });
    const execution = sandbox.exec('for n in 1 2 3 4 5 6; do echo $n; sleep 0.5; done', { timeoutMs: 6000 });
    await eventually(
      () => sandbox.execs(),
      (all) => all.some(({ state }) => state === 'running'),
    );
    expect(await codeOf(sandbox.pause())).toBe('SESSION_BUSY');
    expect((await sandbox.pause({ force: true })).state).toBe('paused');
    expect(await isPaused(sandbox)).toBe(true);
    // Longer than the command may take in all.
    await sleep(6500);
    expect((await sandbox.resume()).state).toBe('running');
    expect(await execution).toMatchObject({ outcome: 'exited', exitCode: 0, stdout: '1\n2\n3\n4\n5\n6\n' });
    await sandbox.close();
  });

  test('does not keep a sandbox from being closed, nor from being opened again with its files', async () => {
    const sandbox = await client.open({ session: 'closed' });
    await sandbox.files.write('a.txt', 'kept');
    await sandbox.pause();
    await sandbox.close();
    const again = await client.open({ session: 'closed' });
    expect([again.created, again.id === sandbox.id, await again.files.readText('a.txt')]).toEqual([true, false, 'kept']);
    await again.close();
  });

  test('is for the controller only', async () => {
    const sandbox = await client.open({ session: 'mine' });
    const joined = await (await daemon.connect('acme')).open({ session: 'mine', role: 'participant' });
    expect(await codeOf(joined.pause())).toBe('FORBIDDEN');
    expect(await codeOf(joined.resume())).toBe('FORBIDDEN');
    await sandbox.close();
  });
});

test('a paused sandbox that is killed is gone, and the next open makes a new one on the same files', async () => {
  const sandbox = await client.open({ session: 'killed' });
  await sandbox.files.write('a.txt', 'kept');
  await sandbox.pause();
  await daemon.driver.remove(`cloister-${sandbox.id}`, { force: true });
  await eventually(
    () => client.list(),
    (all) => all.every(({ id }) => id !== sandbox.id),
  );
  const again = await client.open({ session: 'killed' });
  expect([again.created, await again.files.readText('a.txt')]).toEqual([true, 'kept']);
  await again.close();
});

test('the next daemon finds a paused sandbox as it was', async () => {
  const sandbox = await client.open({ session: 'over' });
  await sandbox.exec('echo 1 > /tmp/one');
  await sandbox.pause();
  await daemon.stop('keep');
  daemon = await startTestDaemon({ stateDir: daemon.stateDir });
  client = await daemon.connect('acme');
  const again = await client.open({ session: 'over', takeover: true });
  expect([again.id, again.created, (await again.exec('cat /tmp/one', { timeoutMs: 5000 })).stdout]).toEqual([sandbox.id, false, '1\n']);
  expect(await again.exec('sleep 600', { timeoutMs: 500 })).toMatchObject({ outcome: 'timedOut' });
  await again.close();
});
