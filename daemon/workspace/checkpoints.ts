// Checkpoints of commands: a snapshot before one starts, what it changed when it has ended, and the material to take that
// back. Owns this sequence, across daemons; must not know how commands run.

import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecResult, Note } from '../../client/protocol/exec.ts';
import { MAX_CHANGES } from '../../client/protocol/workspace.ts';
import { changeList } from './change-list.ts';
import { checkpointName, type CheckpointRecord, type CheckpointRecords, MAX_UNDONE_CHANGES } from './checkpoint-records.ts';
import { diffTrees, type TreeChange } from './tree-diff.ts';
import type { WorkspaceSnapshots } from './workspace-snapshots.ts';

/** Changes that the result of a command lists. */
const MAX_LISTED = Math.min(500, MAX_CHANGES);

export interface CheckpointsOptions {
  readonly records: CheckpointRecords;
  readonly snapshots: WorkspaceSnapshots;
  readonly log: Logger;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** Before the command starts; a failure means that it must not. */
  async take(id: string, execId: string): Promise<void> {
    const { records, snapshots } = this.#options;
    const name = checkpointName(execId);
    // The same request once more: its client lost the connection while the snapshot was taken.
    if (records.isOpen(id, execId)) return;
    if (records.execIdOf(id, name) !== undefined)
      throw new SandboxError('INVALID_REQUEST', `Cannot start command ${execId}: an earlier one of this id has a checkpoint`, {
        hint: 'Use a new exec id.',
      });
    // The record comes first: what a crash leaves of this is a record without a snapshot, which says nothing.
    await records.begin(id, execId);
    try {
      await snapshots.take(id, name);
    } catch (error) {
      await records.remove(id, name);
      throw error;
    }
  }

  /** The command did not start after all. */
  async drop(id: string, execId: string): Promise<void> {
    await this.#options.snapshots.remove(id, checkpointName(execId)).catch((error: unknown) => {
      this.#options.log.warn({ workspaceId: id, execId, err: error }, 'checkpoint of a refused command not removed');
    });
  }

  isOpen(id: string, execId: string): boolean {
    return this.#options.records.isOpen(id, execId);
  }

  /** The result with what the command changed. Only for a command whose checkpoint is open. */
  async complete(id: string, draft: ExecResult): Promise<ExecResult> {
    const { records, snapshots, log } = this.#options;
    try {
      const { path: before } = await snapshots.find(id, checkpointName(draft.id));
      const changes = await snapshots.withFrozen(id, (after) => diffTrees(before, after));
      await records.end(id, draft.id, changes);
      const { changes: listed, total, truncated } = changeList(changes, MAX_LISTED);
      const note: Note[] = truncated ? [{ code: 'changesTruncated', detail: `${listed.length} of ${total} changes are listed` }] : [];
      return { ...draft, changes: listed, notes: [...draft.notes, ...note] };
    } catch (error) {
      log.warn({ workspaceId: id, execId: draft.id, err: error }, 'changes of a command not known');
      const detail = SandboxError.is(error) ? error.message : 'the checkpoint could not be compared';
      return { ...draft, notes: [...draft.notes, { code: 'changesUnknown', detail }] };
    }
  }

  /** What a command changed, and the path of the tree before it. */
  async recall(id: string, execId: string): Promise<{ readonly changes: readonly TreeChange[]; readonly before: string }> {
    const { records, snapshots } = this.#options;
    const cannot = `Cannot undo command ${execId}`;
    if (records.isOpen(id, execId))
      throw new SandboxError('SESSION_BUSY', `${cannot}: it has not ended, or its end could not be compared`, {
        hint: 'Wait for its result, or restore the snapshot of its checkpoint.',
      });
    const record: CheckpointRecord | undefined = await records.read(id, execId);
    const snapshot = (await snapshots.list(id)).find(({ name }) => name === checkpointName(execId));
    if (record === undefined || snapshot === undefined)
      throw new SandboxError('NOT_FOUND', `${cannot}: no checkpoint of it is kept`, {
        hint: 'Only commands with checkpoint: true can be undone, until newer snapshots take the place of theirs.',
      });
    if (record.changes === null)
      throw new SandboxError('TOO_LARGE', `${cannot}: it changed more than ${MAX_UNDONE_CHANGES} files and directories`, {
        hint: `Restore the snapshot ${snapshot.name} instead.`,
      });
    return { changes: record.changes, before: snapshot.path };
  }
}
