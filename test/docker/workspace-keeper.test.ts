// Records, uids and files of workspaces stay in step, whatever is interrupted.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../daemon/observe/clock.ts';
import { CheckpointRecords } from '../../daemon/workspace/checkpoint-records.ts';
import { HostDirectories } from '../../daemon/workspace/host-directories.ts';
import { openWorkspaceStore } from '../../daemon/workspace/open-store.ts';
import type { WorkspaceStore } from '../../daemon/workspace/store.ts';
import { UidAllocator } from '../../daemon/workspace/uid-allocator.ts';
import { WorkspaceKeeper } from '../../daemon/workspace/workspace-keeper.ts';
import { WorkspaceRecords } from '../../daemon/workspace/workspace-records.ts';
import { MIB, newStateDir, removeStateDir, silentLog } from '../contract/workspace-store-contract.ts';

describe('the keeper of workspaces', () => {
  let stateDir = '';
  let store: WorkspaceStore;
  const openKeeper = async (): Promise<{ keeper: WorkspaceKeeper; records: WorkspaceRecords; uids: UidAllocator }> => {
    const records = await WorkspaceRecords.open({ stateDir, log: silentLog });
    const range = { first: 231_400, last: 231_499 };
    const uids = new UidAllocator(
      range,
      records.list().map((record) => record.uid),
    );
    const hosts = await HostDirectories.open({ stateDir, roots: [], uidRange: range, reservedUids: [] });
    const checkpointRecords = await CheckpointRecords.open(stateDir);
    return {
      keeper: new WorkspaceKeeper({ store, records, uids, checkpointRecords, hosts, clock: systemClock, log: silentLog }),
      records,
      uids,
    };
  };
  const request = { tenant: 'acme', name: 'trunk', retain: 'keep', maxBytes: 32 * MIB } as const;

  beforeAll(async () => {
    stateDir = await newStateDir();
    store = await openWorkspaceStore({
      stateDir,
      kind: 'btrfs',
      poolBytes: 1024 * MIB,
      acceptNoQuota: false,
      floorBytes: 64 * MIB,
      log: silentLog,
    });
  });
  afterAll(async () => {
    await store.dispose();
    await removeStateDir(stateDir);
  });

  it('gives a fork the uid of its lineage, which is free only when all of it is gone', async () => {
    const { keeper, uids } = await openKeeper();
    const { record } = await keeper.claim(request);
    const fork = await keeper.fork(record.id, 'branch');
    const forkOfFork = await keeper.fork(fork.id, 'twig');
    expect([fork.uid, forkOfFork.uid, forkOfFork.lineage]).toEqual([record.uid, record.uid, record.id]);
    await expect(keeper.fork(record.id, 'branch')).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await expect(keeper.fork(record.id, 'none', 'no-snapshot')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(keeper.has('acme', 'none')).toBe(false);
    await keeper.remove(record.id);
    await keeper.remove(fork.id);
    expect(uids.isHeld(record.uid)).toBe(true);
    await keeper.remove(forkOfFork.id);
    expect(uids.isHeld(record.uid)).toBe(false);
    expect(await store.list()).toEqual([]);
  });

  it('finishes the deletion that a killed daemon began; the name is free meanwhile', async () => {
    const first = await openKeeper();
    const { record } = await first.keeper.claim(request);
    await first.keeper.history.checkpoint(record.id, 'cmd');
    await first.records.update(record.id, { trashedAt: new Date().toISOString() });
    const second = await openKeeper();
    const { record: fresh, isNew } = await second.keeper.claim(request);
    expect([isNew, fresh.id === record.id, fresh.uid === record.uid]).toEqual([true, false, false]);
    await second.keeper.reconcile();
    expect(await store.list()).toEqual([fresh.id]);
    expect(second.uids.isHeld(record.uid)).toBe(false);
    expect((await CheckpointRecords.open(stateDir)).isOpen(record.id, 'cmd')).toBe(false);
    await second.keeper.remove(fresh.id);
  });

  it('deletes a workspace while snapshots of it are asked for, and leaves nothing', async () => {
    const { keeper } = await openKeeper();
    const { record } = await keeper.claim(request);
    await keeper.history.snapshot(record.id, 'one');
    const asked = [
      keeper.history.diff(record.id, 'one', 10),
      keeper.history.snapshot(record.id, 'two'),
      keeper.history.diff(record.id, 'one', 10),
    ];
    await Promise.allSettled([keeper.remove(record.id), ...asked]);
    await expect.poll(() => store.list()).toEqual([]);
  });
});
