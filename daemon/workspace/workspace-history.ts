// What a workspace was and how it changed: usage, snapshots, differences, checkpoints of commands and taking them back.
// Owns who may do which of these at once; sessions, roles and containers are not its business.

import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecResult } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';
import {
  MAX_CHANGES,
  type WorkspaceDiff,
  type WorkspaceSnapshot,
  type WorkspaceUndo,
  type WorkspaceUsage,
} from '../../client/protocol/workspace.ts';
import { changeList } from './change-list.ts';
import type { CheckpointRecords } from './checkpoint-records.ts';
import { Checkpoints } from './checkpoints.ts';
import type { WorkspaceStore } from './store.ts';
import { diffTrees } from './tree-diff.ts';
import { undoChanges, type UndoFiles } from './undo.ts';
import type { WorkspaceQueues } from './workspace-queues.ts';
import { WorkspaceSnapshots } from './workspace-snapshots.ts';

/** Who ends commands together with their sandbox: nobody waits for what they changed. */
const ENDED_WITH_SANDBOX = /^(session|workspace):/;

export interface WorkspaceHistoryOptions {
  readonly store: WorkspaceStore;
  readonly queues: WorkspaceQueues;
  readonly checkpointRecords: CheckpointRecords;
  readonly log: Logger;
}

export class WorkspaceHistory {
  readonly #options: WorkspaceHistoryOptions;
  readonly #snapshots: WorkspaceSnapshots;
  readonly #checkpoints: Checkpoints;
  /** Workspaces in which something is being taken back. */
  readonly #undoing = new Set<string>();

  constructor(options: WorkspaceHistoryOptions) {
    this.#options = options;
    const { store, queues, checkpointRecords, log } = options;
    this.#snapshots = new WorkspaceSnapshots({ store, queues, log, onRemoved: (id, name) => checkpointRecords.remove(id, name) });
    this.#checkpoints = new Checkpoints({ records: checkpointRecords, snapshots: this.#snapshots, log });
  }

  async usage(id: string): Promise<WorkspaceUsage> {
    const { store } = this.#options;
    return { store: store.kind, ...(await store.usage(id)), snapshots: (await this.#snapshots.list(id)).length };
  }

  async snapshots(id: string): Promise<WorkspaceSnapshot[]> {
    return (await this.#snapshots.list(id)).map(({ name, createdAt }) => {
      const execId = this.#options.checkpointRecords.execIdOf(id, name);
      return { name, createdAt, ...(execId === undefined ? {} : { execId: ExecId.parse(execId) }) };
    });
  }

  async snapshot(id: string, name: string): Promise<WorkspaceSnapshot> {
    const { createdAt } = await this.#snapshots.take(id, name);
    return { name, createdAt };
  }

  /** NOT_FOUND unless there is a snapshot of this name. */
  async requireSnapshot(id: string, name: string): Promise<void> {
    await this.#snapshots.find(id, name);
  }

  async deleteSnapshot(id: string, name: string): Promise<void> {
    await this.#snapshots.find(id, name);
    await this.#snapshots.remove(id, name);
  }

  async diff(id: string, since: string, limit: number): Promise<WorkspaceDiff> {
    const { path: before } = await this.#snapshots.find(id, since);
    return changeList(await this.#snapshots.withFrozen(id, (after) => diffTrees(before, after)), limit);
  }

  /** Before a command starts; the result drops it again if the command does not start. */
  async checkpoint(id: string, execId: string): Promise<() => Promise<void>> {
    await this.#checkpoints.take(id, execId);
    return () => this.#checkpoints.drop(id, execId);
  }

  /** The result of a command with what is known here: that the workspace is full, and the changes if it has a checkpoint. */
  complete(id: string, draft: ExecResult): ExecResult | Promise<ExecResult> {
    const isFull = this.#options.store.isFull(id);
    const noted = (yes: boolean): ExecResult => (yes ? { ...draft, notes: [...draft.notes, { code: 'workspaceFull' }] } : draft);
    if (typeof isFull === 'boolean') return this.#withChanges(id, noted(isFull));
    return isFull.then((yes) => this.#withChanges(id, noted(yes)));
  }

  #withChanges(id: string, draft: ExecResult): ExecResult | Promise<ExecResult> {
    if (!this.#checkpoints.isOpen(id, draft.id)) return draft;
    if (draft.outcome === 'lost' || ENDED_WITH_SANDBOX.test(draft.by ?? '')) return draft;
    return this.#checkpoints.complete(id, draft);
  }

  /** Takes back what a command changed; idempotent. */
  async undo(id: string, execId: string, files: UndoFiles, overwrite: boolean): Promise<WorkspaceUndo> {
    if (this.#undoing.has(id)) throw new SandboxError('SESSION_BUSY', `Cannot undo command ${execId}: another one is being undone`);
    this.#undoing.add(id);
    try {
      const { changes, before } = await this.#checkpoints.recall(id, execId);
      const undone = await this.#snapshots.withFrozen(id, (present) => undoChanges({ changes, before, present, files, overwrite }));
      return { ...changeList(undone.changes, MAX_CHANGES), skipped: undone.skipped };
    } finally {
      this.#undoing.delete(id);
    }
  }

  /** At start: what a killed daemon left half done. */
  async reconcile(ids: Iterable<string>): Promise<void> {
    await this.#snapshots.removeFrozen(ids);
  }
}
