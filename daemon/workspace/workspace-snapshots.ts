// Snapshots of one workspace as sessions may have them: a bounded number, checkpoints give way to what was asked for by name.
// Owns names and that number; the store owns the snapshots. Also lends frozen copies, the only trees that are ever read here.

import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { CHECKPOINT_PREFIX, MAX_SNAPSHOTS } from '../../client/protocol/workspace.ts';
import type { SnapshotInfo, WorkspaceStore } from './store.ts';
import type { WorkspaceQueues } from './workspace-queues.ts';

/** Copies that live as long as a comparison. */
const FROZEN_PREFIX = 'frozen.';

export interface WorkspaceSnapshotsOptions {
  readonly store: WorkspaceStore;
  readonly queues: WorkspaceQueues;
  /** A snapshot is gone, and with it what was remembered of it. */
  readonly onRemoved: (id: string, name: string) => Promise<void>;
  readonly log: Logger;
}

export class WorkspaceSnapshots {
  readonly #options: WorkspaceSnapshotsOptions;

  constructor(options: WorkspaceSnapshotsOptions) {
    this.#options = options;
  }

  /** The oldest first. */
  async list(id: string): Promise<SnapshotInfo[]> {
    return (await this.#options.store.listSnapshots(id)).filter(({ name }) => !name.startsWith(FROZEN_PREFIX));
  }

  async find(id: string, name: string): Promise<SnapshotInfo> {
    const found = (await this.list(id)).find((snapshot) => snapshot.name === name);
    if (found === undefined) throw new SandboxError('NOT_FOUND', `Cannot find snapshot ${name}: the workspace has none of that name`);
    return found;
  }

  async take(id: string, name: string): Promise<SnapshotInfo> {
    return await this.#options.queues.inTurn(id, async () => {
      await this.#makeRoom(id, name);
      return await this.#options.store.snapshot(id, name);
    });
  }

  async remove(id: string, name: string): Promise<void> {
    await this.#options.queues.inTurn(id, () => this.#remove(id, name));
  }

  /** Lends a read-only copy of the workspace as it is now; it goes afterwards, behind the answer. */
  async withFrozen<Result>(id: string, use: (path: string) => Promise<Result>): Promise<Result> {
    const { store, queues } = this.#options;
    const name = `${FROZEN_PREFIX}${randomBytes(8).toString('hex')}`;
    const { path } = await queues.inTurn(id, () => store.snapshot(id, name));
    try {
      return await use(path);
    } finally {
      queues.behind(id, () => this.#thaw(id, name));
    }
  }

  /** At start: copies that a killed daemon was comparing. */
  async removeFrozen(ids: Iterable<string>): Promise<void> {
    for (const id of ids) {
      const names = (await this.#options.store.listSnapshots(id)).map(({ name }) => name);
      for (const name of names) if (name.startsWith(FROZEN_PREFIX)) await this.#thaw(id, name);
    }
  }

  async #makeRoom(id: string, name: string): Promise<void> {
    const present = await this.list(id);
    if (present.some((snapshot) => snapshot.name === name))
      throw new SandboxError('FILE_EXISTS', `Cannot snapshot the workspace: it has a snapshot ${name}`, {
        hint: 'Choose another name, or delete that snapshot first.',
      });
    const checkpoints = present.filter((snapshot) => snapshot.name.startsWith(CHECKPOINT_PREFIX));
    const excess = present.length + 1 - MAX_SNAPSHOTS;
    if (excess > checkpoints.length)
      throw new SandboxError('QUOTA_EXCEEDED', `Cannot snapshot the workspace: it has ${present.length} of ${MAX_SNAPSHOTS} snapshots`, {
        retry: 'never',
        hint: 'Delete a snapshot first.',
      });
    for (const { name: oldest } of checkpoints.slice(0, Math.max(0, excess))) await this.#remove(id, oldest);
  }

  async #remove(id: string, name: string): Promise<void> {
    await this.#options.store.deleteSnapshot(id, name);
    await this.#options.onRemoved(id, name);
  }

  async #thaw(id: string, name: string): Promise<void> {
    await this.#options.store.deleteSnapshot(id, name).catch((error: unknown) => {
      this.#options.log.warn({ workspaceId: id, snapshot: name, err: error }, 'frozen copy of a workspace not removed');
    });
  }
}
