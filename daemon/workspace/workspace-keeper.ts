// Named workspaces: record, uid and files kept in step. Owns the order of effects, so that a crash between two of
// them leaves something that the next start recognises.

import { lstat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import type { CheckpointRecords } from './checkpoint-records.ts';
import { fileOwners } from './file-owners.ts';
import type { HostDirectories } from './host-directories.ts';
import { HostWorkspaces } from './host-workspaces.ts';
import { newWorkspaceId, type StoreKind, type WorkspaceStore } from './store.ts';
import type { UidAllocator } from './uid-allocator.ts';
import { WorkspaceHistory } from './workspace-history.ts';
import { WorkspaceQueues } from './workspace-queues.ts';
import type { WorkspaceRecord, WorkspaceRecords } from './workspace-records.ts';

export interface WorkspaceKeeperOptions {
  readonly store: WorkspaceStore;
  readonly records: WorkspaceRecords;
  readonly uids: UidAllocator;
  readonly checkpointRecords: CheckpointRecords;
  readonly hosts: HostDirectories;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface WorkspaceRequest {
  readonly tenant: string;
  readonly name: string;
  readonly retain: 'keep' | 'delete';
  /** null where the store has no quota. */
  readonly maxBytes: number | null;
  /** A directory of the host instead of one of the store. */
  readonly hostPath?: string | undefined;
}

/** Where a workspace lies, and what its store enforces. */
export interface WorkspacePlace {
  readonly path: string;
  readonly readonlyPath: string;
  readonly store: StoreKind | 'host';
  readonly quota: 'hard' | 'none';
}

export class WorkspaceKeeper {
  readonly store: WorkspaceStore;
  /** Snapshots, checkpoints and differences. */
  readonly history: WorkspaceHistory;
  readonly #options: WorkspaceKeeperOptions;
  readonly #hosts: HostWorkspaces;
  readonly #queues = new WorkspaceQueues();
  /** Workspaces of sandboxes that live or are being made. */
  readonly #inUse = new Set<string>();

  constructor(options: WorkspaceKeeperOptions) {
    this.store = options.store;
    this.#options = options;
    this.#hosts = new HostWorkspaces({ ...options, directories: options.hosts });
    this.history = new WorkspaceHistory({ ...options, queues: this.#queues });
  }

  get(id: string): WorkspaceRecord | undefined {
    return this.#options.records.get(id);
  }

  /** The tenant's workspace of this name with the asked quota, made if there is none. */
  async claim(request: WorkspaceRequest): Promise<{ readonly record: WorkspaceRecord; readonly isNew: boolean }> {
    const { store, records } = this.#options;
    const known = records.find(request.tenant, request.name);
    const hostPath = request.hostPath ?? known?.hostPath;
    if (hostPath !== undefined) return await this.#hosts.claim({ ...request, hostPath });
    if (known === undefined) return { record: await this.#create(request), isNew: true };
    if (known.maxBytes !== request.maxBytes) await store.setQuota(known.id, request.maxBytes);
    const isSame = known.maxBytes === request.maxBytes && known.retain === request.retain;
    return {
      record: isSame ? known : await records.update(known.id, { maxBytes: request.maxBytes, retain: request.retain }),
      isNew: false,
    };
  }

  place(id: string): WorkspacePlace {
    const { store, hosts, records } = this.#options;
    if (records.get(id)?.hostPath !== undefined)
      return { path: hosts.path(id), readonlyPath: hosts.readonlyPath(id), store: 'host', quota: 'none' };
    return {
      path: store.path(id),
      readonlyPath: store.readonlyPath(id),
      store: store.kind,
      quota: store.kind === 'btrfs' ? 'hard' : 'none',
    };
  }

  /** The hard limit as the kernel states it now; null means none is enforced. */
  async quota(id: string): Promise<{ readonly maxBytes: number | null }> {
    return this.get(id)?.hostPath === undefined ? await this.store.quota(id) : { maxBytes: null };
  }

  /** A workspace that is nobody's yet. */
  makeSpare(maxBytes: number | null): Promise<WorkspaceRecord> {
    return this.#create({ tenant: null, name: null, retain: 'delete', maxBytes });
  }

  /** The tenant's workspace of this name. */
  named(tenant: string, name: string): WorkspaceRecord | undefined {
    return this.#options.records.find(tenant, name);
  }

  /** Whether the tenant has a workspace of this name already. */
  has(tenant: string, name: string): boolean {
    return this.#options.records.find(tenant, name) !== undefined;
  }

  /** Gives a spare to a tenant: its record says so, and nothing of it moves. `count` adds it to the tenant's storage. */
  async claimSpare(id: string, request: WorkspaceRequest): Promise<{ readonly count: () => Promise<void> }> {
    const { store, records } = this.#options;
    const { tenant, name, retain, maxBytes } = request;
    if (records.get(id)?.maxBytes !== maxBytes) await store.setQuota(id, maxBytes);
    await records.update(id, { tenant, name, retain, maxBytes });
    return { count: () => store.assignTenant(id, tenant) };
  }

  /** At start: removes spares that no sandbox of ours has any more. */
  async removeSpares(): Promise<void> {
    for (const record of this.#options.records.list()) if (record.tenant === null) await this.remove(record.id);
  }

  /** A sandbox lives on it, or is about to. */
  hold(id: string): void {
    this.#inUse.add(id);
  }

  /** Its sandbox is gone; how long it is kept counts from here. */
  async release(id: string): Promise<void> {
    const record = this.get(id);
    if (!this.#inUse.delete(id) || record === undefined) return;
    if (record.hostPath !== undefined) await this.#options.hosts.unbind(id);
    await this.#options.records.update(id, { lastUsedAt: this.#now() });
  }

  list(): readonly WorkspaceRecord[] {
    return this.#options.records.list();
  }

  isInUse(id: string): boolean {
    return this.#inUse.has(id);
  }

  /** A new workspace of the same tenant and uid, with the content of this one or of a snapshot of it. FILE_EXISTS if the name is taken. */
  async fork(id: string, name: string, snapshot?: string): Promise<WorkspaceRecord> {
    const { store, records, uids } = this.#options;
    const parent = records.get(id);
    if (parent === undefined || parent.tenant === null) throw new SandboxError('NOT_FOUND', `Cannot fork workspace ${id}: there is none`);
    const { tenant, uid, gid, maxBytes } = parent;
    if (this.has(tenant, name))
      throw new SandboxError('FILE_EXISTS', `Cannot fork to ${name}: the tenant has a workspace of that name`, {
        hint: 'Choose a session that was not opened before, or close that one with workspace: delete.',
      });
    const { lineage, store: kind } = parent;
    const common = { tenant, uid, gid, maxBytes, lineage, store: kind };
    const record: WorkspaceRecord = { ...common, id: newWorkspaceId(), name, retain: 'keep', createdAt: this.#now() };
    uids.retain(uid);
    await this.#recorded(record, () =>
      this.#queues.inTurn(id, () =>
        store.clone(id, { id: record.id, uid, gid, maxBytes, tenant, ...(snapshot === undefined ? {} : { snapshot }) }),
      ),
    );
    return record;
  }

  /** Puts a snapshot's content in its place. No process may be alive on it. */
  async restore(id: string, snapshot: string): Promise<void> {
    await this.#queues.alone(id, () => this.store.restore(id, snapshot));
  }

  /** Frees its name, deletes files, then the record, then frees the uid. No process may be alive on it. */
  async remove(id: string): Promise<void> {
    const { store, records, uids, checkpointRecords } = this.#options;
    this.#inUse.delete(id);
    if (records.get(id)?.hostPath !== undefined) return await this.#hosts.forget(id);
    await this.#queues.alone(id, async () => {
      const record = records.get(id);
      // First, so that what a crash or a failure leaves is deleted by the next start or sweep.
      if (record !== undefined && record.trashedAt === undefined) await records.update(id, { trashedAt: this.#now() });
      await store.remove(id);
      await checkpointRecords.removeWorkspace(id);
      await records.remove(id);
      if (record !== undefined) uids.release(record.uid);
    });
  }

  /** At start: removes what was half made, reports what is not ours to judge. */
  async reconcile(): Promise<void> {
    const { store, records, uids, log } = this.#options;
    for (const { id } of records.list().filter(({ trashedAt }) => trashedAt !== undefined)) await this.remove(id);
    const state = records.reconcile(await store.list());
    await this.#options.hosts.keepOnly((id) => this.isInUse(id));
    await this.history.reconcile(records.list().flatMap(({ id, hostPath }) => (hostPath === undefined ? [id] : [])));
    // A crash while it was made leaves a trace in the store, and nothing that anybody could open.
    for (const record of records.list()) {
      if (record.hostPath !== undefined || (await isThere(store.path(record.id)))) continue;
      log.warn({ workspaceId: record.id, tenant: record.tenant, name: record.name }, 'workspace record without files removed');
      await this.remove(record.id);
    }
    // Their uids are taken as long as the files exist.
    for (const uid of await fileOwners(store, [...state.withoutRecord, ...state.unreadable])) uids.retain(uid);
    if (state.withoutRecord.length > 0) log.warn({ workspaceIds: state.withoutRecord }, 'workspace files without a record are left alone');
  }

  async #create(request: Omit<WorkspaceRequest, 'tenant' | 'name'> & Pick<WorkspaceRecord, 'tenant' | 'name'>): Promise<WorkspaceRecord> {
    const { store, uids, clock } = this.#options;
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
    await this.#recorded(record, () => store.create({ id, uid, gid: uid, maxBytes: request.maxBytes, tenant: request.tenant }));
    return record;
  }

  /** The record, then the files; if either fails, neither stays, and the uid is given back. */
  async #recorded(record: WorkspaceRecord, make: () => Promise<unknown>): Promise<void> {
    const { records, uids, log } = this.#options;
    try {
      await records.add(record);
      await make();
    } catch (error) {
      if (records.get(record.id) === undefined) uids.release(record.uid);
      else
        await this.remove(record.id).catch((cause: unknown) =>
          log.error({ workspaceId: record.id, err: cause }, 'half-made workspace not removed'),
        );
      throw error;
    }
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
