// The workspaces of the daemon of tests: the daemon's own keeper over plain directories.

import { join } from 'node:path';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import { CheckpointRecords } from '../workspace/checkpoint-records.ts';
import { HostDirectories } from '../workspace/host-directories.ts';
import { UidAllocator } from '../workspace/uid-allocator.ts';
import { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import { WorkspaceRecords } from '../workspace/workspace-records.ts';
import { MockStore } from './mock-store.ts';

export interface MockWorkspacesOptions {
  readonly stateDir: string;
  readonly uidRange: readonly [first: number, last: number];
  readonly clock: Clock;
  readonly log: Log;
}

export async function openMockWorkspaces({ stateDir, uidRange, clock, log }: MockWorkspacesOptions): Promise<WorkspaceKeeper> {
  const [first, last] = uidRange;
  return new WorkspaceKeeper({
    store: await MockStore.open(join(stateDir, 'workspaces-of-tests')),
    records: await WorkspaceRecords.open({ stateDir, log }),
    uids: new UidAllocator({ first, last }, []),
    checkpointRecords: await CheckpointRecords.open(stateDir),
    hosts: await HostDirectories.open({ stateDir, roots: [], uidRange: { first, last }, reservedUids: [] }),
    clock,
    log,
  });
}
