// Named workspaces: record, uid and files kept in step. Owns the order of effects, so that a crash between two of
// them leaves something that the next start recognises.

import type { Logger } from 'pino';
import type { Clock } from '../observe/clock.ts';
import { fileOwners } from './file-owners.ts';
import { newWorkspaceId, type WorkspaceStore } from './store.ts';
import type { UidAllocator } from './uid-allocator.ts';
import type { WorkspaceRecord, WorkspaceRecords } from './workspace-records.ts';

export interface WorkspaceKeeperOptions {
  readonly store: WorkspaceStore;
  readonly records: WorkspaceRecords;
  readonly uids: UidAllocator;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface WorkspaceRequest {
  readonly tenant: string;
  readonly name: string;
  readonly retain: 'keep' | 'delete';
  /** null where the store has no quota. */
  readonly maxBytes: number | null;
}

export class WorkspaceKeeper {
  readonly store: WorkspaceStore;
  readonly #options: WorkspaceKeeperOptions;

  constructor(options: WorkspaceKeeperOptions) {
    this.store = options.store;
    this.#options = options;
  }

  get(id: string): WorkspaceRecord | undefined {
    return this.#options.records.get(id);
  }

  /** The tenant's workspace of this name with the asked quota, made if there is none. */
  async claim(request: WorkspaceRequest): Promise<{ readonly record: WorkspaceRecord; readonly isNew: boolean }> {
    const { store, records } = this.#options;
    const known = records.find(request.tenant, request.name);
    if (known === undefined) return { record: await this.#create(request), isNew: true };
    if (known.maxBytes !== request.maxBytes) await store.setQuota(known.id, request.maxBytes);
    const isSame = known.maxBytes === request.maxBytes && known.retain === request.retain;
    return {
      record: isSame ? known : await records.update(known.id, { maxBytes: request.maxBytes, retain: request.retain }),
      isNew: false,
    };
  }

  /** Deletes files, then the record, then frees the uid. No process may be alive on it. */
  async remove(id: string): Promise<void> {
    const { store, records, uids } = this.#options;
    const record = records.get(id);
    await store.remove(id);
    await records.remove(id);
    if (record !== undefined) uids.release(record.uid);
  }

  /** At start: removes what was half made, reports what is not ours to judge. */
  async reconcile(): Promise<void> {
    const { store, records, uids, log } = this.#options;
    const state = records.reconcile(await store.list());
    for (const record of state.withoutDirectory) {
      log.warn({ workspaceId: record.id, tenant: record.tenant, name: record.name }, 'workspace record without files removed');
      await this.remove(record.id);
    }
    // Their uids are taken as long as the files exist.
    for (const uid of await fileOwners(store, [...state.withoutRecord, ...state.unreadable])) uids.retain(uid);
    if (state.withoutRecord.length > 0) log.warn({ workspaceIds: state.withoutRecord }, 'workspace files without a record are left alone');
  }

  async #create(request: WorkspaceRequest): Promise<WorkspaceRecord> {
    const { store, records, uids, clock } = this.#options;
    const id = newWorkspaceId();
    const uid = uids.allocate();
    const record: WorkspaceRecord = {
      id,
      tenant: request.tenant,
      name: request.name,
      uid,
      gid: uid,
      lineage: id,
      createdAt: new Date(clock.now()).toISOString(),
      retain: request.retain,
      maxBytes: request.maxBytes,
      store: store.kind,
    };
    try {
      await records.add(record);
      await store.create({ id, uid, gid: uid, maxBytes: request.maxBytes, tenant: request.tenant });
      return record;
    } catch (error) {
      if (records.get(id) === undefined) uids.release(uid);
      else
        await this.remove(id).catch((cause: unknown) =>
          this.#options.log.error({ workspaceId: id, err: cause }, 'half-made workspace not removed'),
        );
      throw error;
    }
  }
}
