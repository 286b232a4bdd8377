// Workspaces as plain directories, for hosts without btrfs. It enforces no byte quota and says so.
// Owns <stateDir>/ws, ws-ro and ws-snap; must not know sandboxes, sessions or the Docker engine.

import { chmod, chown, lstat, mkdir, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { unlessGone } from './directory-names.ts';
import { ensureBind } from './ensure-mount.ts';
import { requireFreeSpace } from './free-space.ts';
import { removeMountStages, unmountAllUnder } from './mounts.ts';
import { runCommand, tryCommand } from './run-command.ts';
import {
  type CloneWorkspace,
  type CreateWorkspace,
  requireSnapshotName,
  requireWorkspaceId,
  snapshotNameSchema,
  type SnapshotInfo,
  unknownSnapshot,
  unknownWorkspace,
  type WorkspaceStore,
  type WorkspaceUsage,
  workspaceIdSchema,
} from './store.ts';

const COPY_TIMEOUT_MS = 600_000;
const WALK_TIMEOUT_MS = 300_000;
/** What a restore puts aside until its own content is in place. */
const FORMER_PREFIX = '.former-';

export interface DirectoryStoreOptions {
  /** Canonical path of the state directory. */
  readonly stateDir: string;
  /** The operator accepts that a disk limit is not enforced. */
  readonly acceptNoQuota: boolean;
  readonly floorBytes: number;
  readonly log: Logger;
}

export class DirectoryStore implements WorkspaceStore {
  readonly kind = 'directory';
  readonly #options: DirectoryStoreOptions;
  readonly #root: string;
  readonly #readonlyRoot: string;
  readonly #snapshots: string;

  private constructor(options: DirectoryStoreOptions) {
    this.#options = options;
    this.#root = join(options.stateDir, 'ws');
    this.#readonlyRoot = join(options.stateDir, 'ws-ro');
    this.#snapshots = join(this.#root, 'snap');
  }

  static async open(options: DirectoryStoreOptions): Promise<DirectoryStore> {
    const store = new DirectoryStore(options);
    await removeMountStages(options.stateDir);
    const adopted = await ensureBind(store.#root, store.#root, ['nosuid', 'nodev']);
    await ensureBind(store.#root, store.#readonlyRoot, ['ro', 'nosuid', 'nodev']);
    await mkdir(store.#snapshots, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#root))
      if (name.startsWith(FORMER_PREFIX)) await store.#finishRestore(name.slice(FORMER_PREFIX.length));
    options.log.info({ path: store.#root, adopted, quota: 'none' }, 'directory workspace store open');
    return store;
  }

  path(id: string): string {
    return join(this.#root, requireWorkspaceId(id));
  }

  readonlyPath(id: string): string {
    return join(this.#readonlyRoot, requireWorkspaceId(id));
  }

  async create(request: CreateWorkspace): Promise<{ readonly path: string }> {
    return await this.#make(request);
  }

  async clone(id: string, request: CloneWorkspace): Promise<{ readonly path: string }> {
    const source = request.snapshot === undefined ? this.path(id) : this.#snapshotPath(id, request.snapshot);
    if (!(await exists(source))) throw request.snapshot === undefined ? unknownWorkspace(id) : unknownSnapshot(id, request.snapshot);
    return await this.#make(request, source);
  }

  async quota(id: string): Promise<{ readonly maxBytes: number | null }> {
    await this.#require(id);
    return { maxBytes: null };
  }

  async setQuota(id: string, maxBytes: number | null): Promise<void> {
    await this.#require(id);
    this.#refuseLimit(maxBytes);
  }

  async assignTenant(id: string, _tenant: string): Promise<void> {
    await this.#require(id);
  }

  async usage(id: string): Promise<WorkspaceUsage> {
    await this.#require(id);
    // du walks by descriptor, follows no symlink and counts what vanishes under it as absent; its exit code then says 1.
    const output = await tryCommand('du', ['--summarize', '--one-file-system', '--block-size=1', '.'], {
      cwd: this.path(id),
      timeoutMs: WALK_TIMEOUT_MS,
    });
    const bytes = /^(\d+)\t/.exec(output.stdout)?.[1];
    if (bytes === undefined) throw new SandboxError('INTERNAL', `Cannot measure workspace ${id}: ${output.stderr.trim().slice(0, 500)}`);
    return { usedBytes: Number(bytes), maxBytes: null };
  }

  async snapshot(id: string, name: string): Promise<SnapshotInfo> {
    const target = this.#snapshotPath(id, name);
    await this.#require(id);
    if (await exists(target)) throw new SandboxError('FILE_EXISTS', `Cannot snapshot workspace ${id}: it has a snapshot ${name}`);
    await requireFreeSpace([this.#root], this.#options.floorBytes);
    await mkdir(join(this.#snapshots, id), { recursive: true, mode: 0o700 });
    await this.#copy(this.path(id), target);
    return await this.#snapshotInfo(id, name);
  }

  async listSnapshots(id: string): Promise<SnapshotInfo[]> {
    const names = await readdir(join(this.#snapshots, requireWorkspaceId(id))).catch(() => []);
    const complete = names.filter((name) => snapshotNameSchema.safeParse(name).success);
    const snapshots = await Promise.all(complete.map((name) => this.#snapshotInfo(id, name).catch(unlessGone)));
    return snapshots.filter((info) => info !== undefined).toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  async deleteSnapshot(id: string, name: string): Promise<void> {
    const path = this.#snapshotPath(id, name);
    if (!(await exists(path))) throw unknownSnapshot(id, name);
    await removeTree(path);
  }

  async restore(id: string, name: string): Promise<void> {
    const path = this.path(id);
    const source = this.#snapshotPath(id, name);
    await this.#require(id);
    if (!(await exists(source))) throw unknownSnapshot(id, name);
    await requireFreeSpace([this.#root], this.#options.floorBytes);
    const restored = join(this.#root, `.restored-${id}`);
    await removeTree(restored);
    await this.#copy(source, restored);
    await chmod(restored, 0o700);
    // A crash between the two is finished by the next open: the former content is then back.
    await rename(path, join(this.#root, `${FORMER_PREFIX}${id}`));
    await rename(restored, path);
    await this.#finishRestore(id);
  }

  /** Without a quota there is no limit to reach. */
  isFull(_id: string): boolean {
    return false;
  }

  async remove(id: string): Promise<void> {
    const path = this.path(id);
    await removeTree(join(this.#root, `.restored-${id}`));
    await removeTree(join(this.#snapshots, id));
    await removeTree(partial(path));
    await removeTree(path);
  }

  async list(): Promise<string[]> {
    const names = [...(await readdir(this.#root)), ...(await readdir(this.#snapshots))].map((name) => name.replace(/^\.partial-/, ''));
    return [...new Set(names)].filter((name) => workspaceIdSchema.safeParse(name).success);
  }

  async dispose(): Promise<void> {
    await unmountAllUnder(this.#readonlyRoot);
    await unmountAllUnder(this.#root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #make(request: CreateWorkspace, source?: string): Promise<{ readonly path: string }> {
    const { id, uid, gid, maxBytes } = request;
    const path = this.path(id);
    this.#refuseLimit(maxBytes);
    if (await exists(path)) throw new SandboxError('FILE_EXISTS', `Cannot create workspace ${id}: the store has one of that id`);
    await requireFreeSpace([this.#root], this.#options.floorBytes);
    if (source !== undefined) {
      const owner = await lstat(source);
      if (owner.uid !== uid)
        throw new SandboxError('INTERNAL', `Cannot fork a workspace: its files belong to uid ${owner.uid}, not to ${uid}`);
      await this.#copy(source, path);
    } else {
      await mkdir(path, { mode: 0o700 });
      await chown(path, uid, gid);
    }
    await chmod(path, 0o700);
    return { path };
  }

  /**
   * Copies as the owner of the source, never as root: a symlink planted in the tree then reaches nothing that the tenant could not read.
   * A copy appears under its name only when it is complete.
   */
  async #copy(source: string, target: string): Promise<void> {
    const { uid, gid } = await lstat(source);
    const unfinished = partial(target);
    await removeTree(unfinished);
    await mkdir(unfinished, { mode: 0o700 });
    await chown(unfinished, uid, gid);
    const directory = await open(unfinished, 'r');
    try {
      const args = [
        '--recursive',
        '--no-dereference',
        '--preserve=mode,timestamps,links,xattr',
        '--reflink=auto',
        '--one-file-system',
        '--',
        '.',
        '/proc/self/fd/3/',
      ];
      await runCommand('cp', args, { cwd: source, uid, gid, descriptor: directory.fd, timeoutMs: COPY_TIMEOUT_MS });
      await rename(unfinished, target);
    } catch (error) {
      await removeTree(unfinished);
      throw error;
    } finally {
      await directory.close();
    }
  }

  #refuseLimit(maxBytes: number | null): void {
    if (maxBytes === null || this.#options.acceptNoQuota) return;
    throw new SandboxError('POLICY_INVALID', 'Cannot limit the disk of a workspace: the directory store enforces no quota', {
      hint: 'Use the btrfs store, or accept workspaces without a disk limit with quota "none".',
    });
  }

  async #finishRestore(id: string): Promise<void> {
    const former = join(this.#root, `${FORMER_PREFIX}${requireWorkspaceId(id)}`);
    if (await exists(this.path(id))) await removeTree(former);
    else await rename(former, this.path(id));
  }

  async #require(id: string): Promise<void> {
    if (!(await exists(this.path(id)))) throw unknownWorkspace(id);
  }

  #snapshotPath(id: string, name: string): string {
    return join(this.#snapshots, requireWorkspaceId(id), requireSnapshotName(name));
  }

  async #snapshotInfo(id: string, name: string): Promise<SnapshotInfo> {
    const path = join(this.#readonlyRoot, 'snap', id, name);
    return { name, createdAt: (await lstat(path)).birthtime.toISOString(), path };
  }
}

/** Same directory, a name that no id or snapshot can have. */
function partial(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return `${path.slice(0, slash)}.partial-${path.slice(slash)}`;
}

/** rm walks by descriptor: neither depth nor length of paths matters. Immutable files are released first, if it fails. */
async function removeTree(path: string): Promise<void> {
  const args = ['-rf', '--one-file-system', '--', path];
  const output = await tryCommand('rm', args, { timeoutMs: WALK_TIMEOUT_MS });
  if (output.exitCode === 0) return;
  await tryCommand('chattr', ['-R', '-f', '-i', '-a', path], { timeoutMs: WALK_TIMEOUT_MS });
  await runCommand('rm', args, { timeoutMs: WALK_TIMEOUT_MS });
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
