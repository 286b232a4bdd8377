// How long workspaces that nobody uses are kept, and that what is to go does go. Owns the rhythm and the rule; deleting is the
// keeper's.

import type { Logger } from 'pino';
import type { Clock } from '../observe/clock.ts';
import type { WorkspaceRecord } from './workspace-records.ts';

const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 3_600_000;

export interface WorkspaceRetentionOptions {
  readonly list: () => readonly WorkspaceRecord[];
  readonly isInUse: (id: string) => boolean;
  readonly remove: (id: string) => Promise<void>;
  /** Milliseconds after the last use; null: for ever. */
  readonly retainMs: number | null;
  readonly clock: Clock;
  readonly log: Logger;
}

export class WorkspaceRetention {
  readonly #options: WorkspaceRetentionOptions;
  #cancel: () => void = () => undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: WorkspaceRetentionOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, retainMs } = this.#options;
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, (retainMs ?? MAX_PAUSE_MS) / 4));
    this.#cancel = clock.after(pauseMs, () => {
      this.#sweeping = this.sweep().finally(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#sweeping;
  }

  /** Deletes what is due, and once more what an earlier deletion left. One that fails stops no other. */
  async sweep(): Promise<void> {
    const { list, isInUse, remove, log } = this.#options;
    for (const record of list()) {
      if (this.#isStopped) return;
      if (isInUse(record.id) || !this.#isDue(record)) continue;
      const { id: workspaceId, tenant, name } = record;
      await remove(workspaceId).then(
        () => log.info({ workspaceId, tenant, name }, 'workspace deleted: it was not used for too long'),
        (error: unknown) => log.error({ workspaceId, tenant, name, err: error }, 'workspace not deleted'),
      );
    }
  }

  #isDue({ tenant, hostPath, trashedAt, lastUsedAt, createdAt }: WorkspaceRecord): boolean {
    if (trashedAt !== undefined) return true;
    const { retainMs, clock } = this.#options;
    // A spare is nobody's, and a host directory is not ours.
    if (retainMs === null || tenant === null || hostPath !== undefined) return false;
    return clock.now() - Date.parse(lastUsedAt ?? createdAt) >= retainMs;
  }
}
