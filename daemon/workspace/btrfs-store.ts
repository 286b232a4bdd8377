// Workspaces as btrfs subvolumes with hard byte quotas, snapshots and forks in constant time.
// Owns ws/, snap/ and meta/ of the pool; must not know sandboxes, sessions or the Docker engine.

import { chmod, chown, lstat, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { readJsonFile, removeTemporaries, writeFileAtomic } from '../observe/atomic-file.ts';
import {
  assignQgroup,
  createSubvolume,
  isSubvolume,
  limitQgroup,
  snapshotSubvolume,
  subvolumeId,
  syncFileSystem,
} from './btrfs-command.ts';
import { type BtrfsPool, recountIfNeeded } from './btrfs-pool.ts';
import { SubvolumeReaper } from './subvolume-reaper.ts';
import { exists, namesIn, unlessGone } from './directory-names.ts';
import { requireFreeSpace } from './free-space.ts';
import { KnownLimits } from './known-limits.ts';
import type { QgroupState } from './qgroup-files.ts';
import {
  type CloneWorkspace,
  type CreateWorkspace,
  requireSnapshotName,
  requireWorkspaceId,
  type SnapshotInfo,
  unknownSnapshot,
  unknownWorkspace,
  type WorkspaceStore,
  type WorkspaceUsage,
  workspaceIdSchema,
} from './store.ts';
import { TenantGroups } from './tenant-groups.ts';

/** The snapshot itself, inside the directory that bears its name. */
const TREE = 'tree';

const metaSchema = z.strictObject({ tenant: z.string().max(63).nullable() });

export interface BtrfsStoreOptions {
  readonly pool: BtrfsPool;
  /** Free bytes under which nothing is created. */
  readonly floorBytes: number;
  readonly tenantMaxBytes: (tenant: string) => number | null;
  readonly log: Logger;
}

export class BtrfsStore implements WorkspaceStore {
  readonly kind = 'btrfs';
  readonly #options: BtrfsStoreOptions;
  readonly #tenants: TenantGroups;
  readonly #reaper: SubvolumeReaper;
  readonly #pool: string;
  readonly #limits: KnownLimits;

  private constructor(options: BtrfsStoreOptions, tenants: TenantGroups) {
    this.#options = options;
    this.#tenants = tenants;
    this.#pool = options.pool.path;
    this.#limits = new KnownLimits(options.pool.qgroups);
    this.#reaper = new SubvolumeReaper({ pool: this.#pool, qgroups: options.pool.qgroups, log: options.log });
  }

  static async open(options: BtrfsStoreOptions): Promise<BtrfsStore> {
    const { path: pool, qgroups } = options.pool;
    for (const name of ['ws', 'snap', 'meta', 'new', 'old']) await mkdir(join(pool, name), { recursive: true, mode: 0o700 });
    await removeTemporaries(join(pool, 'meta'));
    const store = new BtrfsStore(options, await TenantGroups.open({ pool, qgroups, tenantMaxBytes: options.tenantMaxBytes }));
    await store.#reaper.remove((await namesIn(join(pool, 'new'))).map((name) => join(pool, 'new', name)));
    for (const id of await namesIn(join(pool, 'old'))) await store.#finishRestore(id);
    if (options.pool.isOwn) await store.#reaper.destroyLeftovers();
    return store;
  }

  path(id: string): string {
    return join(this.#pool, 'ws', requireWorkspaceId(id));
  }

  readonlyPath(id: string): string {
    return join(this.#options.pool.readonlyPath, 'ws', requireWorkspaceId(id));
  }

  async create(request: CreateWorkspace): Promise<{ readonly path: string }> {
    return await this.#make(request, async (path, groups) => {
      await createSubvolume(path, groups);
    });
  }

  async clone(id: string, request: CloneWorkspace): Promise<{ readonly path: string }> {
    const source = request.snapshot === undefined ? this.path(id) : this.#snapshotPath(id, request.snapshot);
    if (!(await isSubvolume(source))) throw request.snapshot === undefined ? unknownWorkspace(id) : unknownSnapshot(id, request.snapshot);
    const { uid } = await lstat(source);
    if (uid !== request.uid)
      throw new SandboxError('INTERNAL', `Cannot fork workspace ${id}: its files belong to uid ${uid}, not to ${request.uid}`);
    return await this.#make(request, async (path, groups) => {
      await snapshotSubvolume(source, path, { isReadonly: false, groups });
    });
  }

  async quota(id: string): Promise<{ readonly maxBytes: number | null }> {
    await recountIfNeeded(this.#options.pool.qgroups, this.#pool);
    const tenant = await this.#tenantOf(id);
    const tenantGroup = tenant === null ? undefined : this.#tenants.groupOf(tenant);
    const { maxReferencedBytes: maxBytes } = await this.#state(id);
    const above = tenantGroup === undefined ? undefined : await this.#options.pool.qgroups.state(tenantGroup);
    this.#limits.set(id, [
      { group: await this.#group(id), maxBytes },
      ...(tenantGroup === undefined ? [] : [{ group: tenantGroup, maxBytes: above?.maxReferencedBytes ?? null }]),
    ]);
    return { maxBytes };
  }

  isFull(id: string): boolean | Promise<boolean> {
    // What was deleted counts until the kernel commits.
    return this.#limits.areReached(id) && syncFileSystem(this.#pool).then(() => this.#limits.areReached(id));
  }

  async setQuota(id: string, maxBytes: number | null): Promise<void> {
    await limitQgroup(await this.#group(id), maxBytes, this.#pool);
    this.#limits.changed(id, maxBytes);
  }

  async assignTenant(id: string, tenant: string): Promise<void> {
    const present = await this.#tenantOf(id);
    if (present === tenant) return;
    if (present !== null) throw new SandboxError('INTERNAL', `Cannot assign workspace ${id} to a tenant: it belongs to another`);
    const group = await this.#group(id);
    await this.#tenants.joining(tenant, async ([tenantGroup]) => {
      await this.#writeMeta(id, tenant);
      if (tenantGroup !== undefined) await assignQgroup(group, tenantGroup, this.#pool);
    });
  }

  async usage(id: string): Promise<WorkspaceUsage> {
    const state = await this.#state(id);
    return { usedBytes: state.referencedBytes + state.reservedBytes, maxBytes: state.maxReferencedBytes };
  }

  async snapshot(id: string, name: string): Promise<SnapshotInfo> {
    const target = this.#snapshotPath(id, name);
    if (!(await isSubvolume(this.path(id)))) throw unknownWorkspace(id);
    await this.#requireSpace();
    if (await exists(target)) throw new SandboxError('FILE_EXISTS', `Cannot snapshot workspace ${id}: it has a snapshot ${name}`);
    // The directory around it dates the snapshot: a subvolume's own birth time is that of its origin.
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await this.#tenants.joining(await this.#tenantOf(id), async (groups) => {
      await snapshotSubvolume(this.path(id), target, { isReadonly: true, groups });
    });
    return await this.#snapshotInfo(id, name);
  }

  async listSnapshots(id: string): Promise<SnapshotInfo[]> {
    const snapshots: SnapshotInfo[] = [];
    for (const name of await namesIn(join(this.#pool, 'snap', requireWorkspaceId(id)))) {
      if (!(await exists(this.#snapshotPath(id, name)))) continue;
      const info = await this.#snapshotInfo(id, name).catch(unlessGone);
      if (info !== undefined) snapshots.push(info);
    }
    return snapshots.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  async deleteSnapshot(id: string, name: string): Promise<void> {
    const path = this.#snapshotPath(id, name);
    if (!(await exists(path))) throw unknownSnapshot(id, name);
    await this.#reaper.remove([path]);
    await rmdir(dirname(path));
  }

  async restore(id: string, name: string): Promise<void> {
    const source = this.#snapshotPath(id, name);
    if (!(await exists(source))) throw unknownSnapshot(id, name);
    const { maxReferencedBytes } = await this.#state(id);
    await this.#requireSpace();
    const unfinished = join(this.#pool, 'new', id);
    const former = join(this.#pool, 'old', id);
    await this.#reaper.remove([unfinished, former]);
    await this.#tenants.joining(await this.#tenantOf(id), async (groups) => {
      await snapshotSubvolume(source, unfinished, { isReadonly: false, groups });
    });
    await limitQgroup(await groupAt(unfinished, id), maxReferencedBytes, this.#pool);
    this.#limits.delete(id);
    // A crash between the two is finished by the next open: the former content is then back.
    await rename(this.path(id), former);
    await rename(unfinished, this.path(id));
    await this.#reaper.remove([former]);
  }

  async remove(id: string): Promise<void> {
    const snapshots = join(this.#pool, 'snap', requireWorkspaceId(id));
    const tenant = await this.#tenantOf(id);
    this.#limits.delete(id);
    const paths = [
      this.path(id),
      join(this.#pool, 'new', id),
      join(this.#pool, 'old', id),
      ...(await namesIn(snapshots)).map((name) => join(snapshots, name, TREE)),
    ];
    await this.#reaper.remove(paths);
    await rm(snapshots, { recursive: true, force: true });
    // Last, so that a crash before this line leaves an id that list() still names.
    await rm(join(this.#pool, 'meta', `${id}.json`), { force: true });
    if (tenant !== null) await this.#tenants.release(tenant);
  }

  async list(): Promise<string[]> {
    const names = await Promise.all(['ws', 'snap', 'meta'].map(async (name) => await namesIn(join(this.#pool, name))));
    const ids = names.flat().map((name) => name.replace(/\.json$/, ''));
    return [...new Set(ids)].filter((id) => workspaceIdSchema.safeParse(id).success);
  }

  async dispose(): Promise<void> {
    await this.#options.pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Made under `new/` and renamed when limit and owner are set: what `ws/` holds is complete, whenever a crash comes. */
  async #make(
    request: CreateWorkspace,
    fill: (path: string, groups: readonly string[]) => Promise<void>,
  ): Promise<{ readonly path: string }> {
    const { id, uid, gid, maxBytes, tenant } = request;
    const path = this.path(id);
    const unfinished = join(this.#pool, 'new', id);
    if (await exists(path)) throw new SandboxError('FILE_EXISTS', `Cannot create workspace ${id}: the store has one of that id`);
    await this.#requireSpace();
    await this.#writeMeta(id, tenant);
    try {
      await this.#tenants.joining(tenant, async (groups) => {
        await fill(unfinished, groups);
      });
      // A clone inherits its parent's limit, so null must be set as well.
      await limitQgroup(await groupAt(unfinished, id), maxBytes, this.#pool);
      await chown(unfinished, uid, gid);
      await chmod(unfinished, 0o700);
      await rename(unfinished, path);
    } catch (error) {
      await this.remove(id);
      throw error;
    }
    return { path };
  }

  async #finishRestore(id: string): Promise<void> {
    const former = join(this.#pool, 'old', id);
    if (await exists(this.path(id))) await this.#reaper.remove([former]);
    else await rename(former, this.path(id));
  }

  async #requireSpace(): Promise<void> {
    await requireFreeSpace(this.#options.pool.disks, this.#options.floorBytes);
  }

  async #group(id: string): Promise<string> {
    return this.#limits.groupOf(id) ?? (await groupAt(this.path(id), id));
  }

  async #state(id: string): Promise<QgroupState> {
    const group = await this.#group(id);
    const state = await this.#options.pool.qgroups.state(group);
    if (state === undefined)
      throw new SandboxError('ENFORCEMENT_MISMATCH', `Cannot read the quota of workspace ${id}: the kernel has no group ${group}`);
    return state;
  }

  async #tenantOf(id: string): Promise<string | null> {
    return (await readJsonFile(join(this.#pool, 'meta', `${id}.json`), metaSchema))?.tenant ?? null;
  }

  async #writeMeta(id: string, tenant: string | null): Promise<void> {
    await writeFileAtomic(join(this.#pool, 'meta', `${id}.json`), JSON.stringify({ tenant }));
  }

  #snapshotPath(id: string, name: string): string {
    return join(this.#pool, 'snap', requireWorkspaceId(id), requireSnapshotName(name), TREE);
  }

  async #snapshotInfo(id: string, name: string): Promise<SnapshotInfo> {
    const directory = join(this.#options.pool.readonlyPath, 'snap', id, name);
    return { name, createdAt: (await lstat(directory)).birthtime.toISOString(), path: join(directory, TREE) };
  }
}

async function groupAt(path: string, id: string): Promise<string> {
  const number = await subvolumeId(path);
  if (number === undefined) throw unknownWorkspace(id);
  return `0/${number}`;
}
