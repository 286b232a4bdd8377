// SIGKILL at any moment of the store's own work leaves a pool that the next daemon opens and can empty completely.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { listMounts } from '../../daemon/workspace/mounts.ts';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { MIB, newStateDir, removeStateDir, silentLog } from '../contract/workspace-store-contract.ts';

const POOL_BYTES = 512 * MIB;
/** Milliseconds between the start of opening and the kill; the first ones fall into the making of the pool. */
const KILL_AFTER_MS = [5, 20, 40, 60, 80, 100, 150, 200, 300, 420, 610, 830];

it('leaves whole workspaces only, one mount and one loop device, and nothing after they are removed', async () => {
  const stateDir = await newStateDir();
  let found = 0;
  for (const killAfterMs of KILL_AFTER_MS) {
    const churn = spawn('node', ['--import', 'tsx', 'test/support/workspace-churn.ts', stateDir, String(POOL_BYTES)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(churn.stdout, 'data');
    await delay(killAfterMs);
    churn.kill('SIGKILL');
    await once(churn, 'exit');

    const store = await openWorkspaceStore({
      stateDir,
      kind: 'btrfs',
      poolBytes: POOL_BYTES,
      acceptNoQuota: false,
      floorBytes: 0,
      log: silentLog,
    });
    const pool = join(stateDir, 'pool');
    expect((await listMounts(stateDir)).map(({ target }) => target)).toEqual([pool, join(stateDir, 'pool-ro')]);
    expect((await runCommand('losetup', ['--associated', join(stateDir, 'pool.btrfs')])).trim().split('\n')).toHaveLength(1);
    expect([await readdir(join(pool, 'new')), await readdir(join(pool, 'old'))]).toEqual([[], []]);
    for (const id of await readdir(join(pool, 'ws'))) {
      found += 1;
      expect(await store.quota(id)).toEqual({ maxBytes: 8 * MIB });
      expect((await lstat(store.path(id))).uid).toBe(231_700);
    }
  }
  expect(found).toBeGreaterThan(0);
  const store = await openWorkspaceStore({ stateDir, kind: 'btrfs', acceptNoQuota: false, floorBytes: 0, log: silentLog });
  for (const id of await store.list()) await store.remove(id);
  expect((await runCommand('btrfs', ['subvolume', 'list', join(stateDir, 'pool')])).trim()).toBe('');
  expect(await runCommand('btrfs', ['qgroup', 'show', join(stateDir, 'pool')])).not.toMatch(/^[01]\/(?!5 )\d+/m);
  await store.dispose();
  await removeStateDir(stateDir);
});
