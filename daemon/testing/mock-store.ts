// Workspaces as plain directories, for the daemon of tests: no quota, no mount, no other owner.

import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
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
} from '../workspace/store.ts';

export class MockStore implements WorkspaceStore {
  readonly kind = 'directory';
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(root: string): Promise<MockStore> {
    await mkdir(join(root, 'snap'), { recursive: true });
    await mkdir(join(root, 'ws'), { recursive: true });
    return new MockStore(root);
  }

  path(id: string): string {
    return join(this.#root, 'ws', requireWorkspaceId(id));
  }

  readonlyPath(id: string): string {
    return this.path(id);
  }

  async create({ id }: CreateWorkspace): Promise<{ readonly path: string }> {
    const path = this.path(id);
    await mkdir(path).catch(() => {
      throw new SandboxError('FILE_EXISTS', `Cannot create workspace ${id}: there is one`);
    });
    return { path };
  }

  async clone(id: string, { id: to, snapshot }: CloneWorkspace): Promise<{ readonly path: string }> {
    const source = snapshot === undefined ? await this.#known(id) : await this.#snapshot(id, snapshot);
    await this.#copy(source, this.path(to));
    return { path: this.path(to) };
  }

  async quota(id: string): Promise<{ readonly maxBytes: null }> {
    await this.#known(id);
    return { maxBytes: null };
  }

  async setQuota(id: string): Promise<void> {
    await this.#known(id);
  }

  async assignTenant(id: string): Promise<void> {
    await this.#known(id);
  }

  async usage(id: string): Promise<WorkspaceUsage> {
    const root = await this.#known(id);
    let usedBytes = 0;
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) usedBytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
    return { usedBytes, maxBytes: null };
  }

  async snapshot(id: string, name: string): Promise<SnapshotInfo> {
    const target = this.#snapshotPath(id, name);
    const source = await this.#known(id);
    if (await isThere(target)) throw new SandboxError('FILE_EXISTS', `Cannot snapshot workspace ${id}: it has a snapshot ${name}`);
    await this.#copy(source, target);
    return await this.#info(id, name);
  }

  async listSnapshots(id: string): Promise<SnapshotInfo[]> {
    await this.#known(id);
    const names = await readdir(join(this.#root, 'snap', id)).catch(() => []);
    return await Promise.all(names.map((name) => this.#info(id, name)));
  }

  async deleteSnapshot(id: string, name: string): Promise<void> {
    await rm(await this.#snapshot(id, name), { recursive: true });
  }

  async restore(id: string, name: string): Promise<void> {
    const [source, target] = [await this.#snapshot(id, name), await this.#known(id)];
    const former = `${target}.former`;
    await rename(target, former);
    await this.#copy(source, target);
    await rm(former, { recursive: true, force: true });
  }

  isFull(): boolean {
    return false;
  }

  async remove(id: string): Promise<void> {
    await rm(this.path(id), { recursive: true, force: true });
    await rm(join(this.#root, 'snap', id), { recursive: true, force: true });
  }

  async list(): Promise<string[]> {
    return await readdir(join(this.#root, 'ws'));
  }

  async dispose(): Promise<void> {
    // The files go with the daemon's directory.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #snapshotPath(id: string, name: string): string {
    return join(this.#root, 'snap', requireWorkspaceId(id), requireSnapshotName(name));
  }

  async #known(id: string): Promise<string> {
    if (!(await isThere(this.path(id)))) throw unknownWorkspace(id);
    return this.path(id);
  }

  async #snapshot(id: string, name: string): Promise<string> {
    const path = this.#snapshotPath(id, name);
    if (!(await isThere(path))) throw unknownSnapshot(id, name);
    return path;
  }

  async #info(id: string, name: string): Promise<SnapshotInfo> {
    const path = await this.#snapshot(id, name);
    return { name, path, createdAt: (await stat(path)).ctime.toISOString() };
  }

  async #copy(from: string, to: string): Promise<void> {
    await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
