// The workspace of one sandbox as a whole: usage, snapshots, forks, what changed, and taking a command's changes back.

import type { Connection } from './connection.ts';
import type {
  OpenResult,
  Operation,
  Params,
  Result,
  WorkspaceDiff,
  WorkspaceFork,
  WorkspaceSnapshot,
  WorkspaceUndo,
  WorkspaceUsage,
} from './protocol/index.ts';

export interface ForkOptions {
  /** A session that was not opened before; open it to use the fork. */
  readonly session: string;
  /** A snapshot to start from; the present content unless given. */
  readonly snapshot?: string | undefined;
}

export interface DiffOptions {
  /** Name of a snapshot. */
  readonly since: string;
  /** Changes that are listed; 1000 at most and unless given. */
  readonly limit?: number | undefined;
}

export interface UndoOptions {
  /** Also what was changed again after the command: that later content is lost. */
  readonly overwrite?: boolean | undefined;
}

interface WorkspaceHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

/**
 * The workspace of a sandbox. All reject with a SandboxError, for example NOT_FOUND for a snapshot that is not there.
 * @example
 *   await sandbox.workspace.snapshot('before');
 *   await sandbox.exec('npm install left-pad');
 *   const { changes } = await sandbox.workspace.diff({ since: 'before' });
 *   await sandbox.workspace.restore('before');
 */
export class SandboxWorkspace {
  readonly #host: WorkspaceHost;
  readonly #sandbox: string;
  readonly #onRestored: (opened: OpenResult) => void;

  /** Made by Sandbox. */
  constructor(host: WorkspaceHost, sandbox: string, onRestored: (opened: OpenResult) => void) {
    this.#host = host;
    this.#sandbox = sandbox;
    this.#onRestored = onRestored;
  }

  usage(): Promise<WorkspaceUsage> {
    return this.#call('workspace.usage', { sandbox: this.#sandbox });
  }

  /** Keeps the present content under a name; at most 16 with the checkpoints of commands, which give way. Counts into the tenant's storage. */
  snapshot(name: string): Promise<WorkspaceSnapshot> {
    return this.#call('workspace.snapshot', { sandbox: this.#sandbox, name });
  }

  /** Snapshots and checkpoints, the oldest first. */
  async snapshots(): Promise<WorkspaceSnapshot[]> {
    return (await this.#call('workspace.snapshots', { sandbox: this.#sandbox })).snapshots;
  }

  async deleteSnapshot(name: string): Promise<void> {
    await this.#call('workspace.deleteSnapshot', { sandbox: this.#sandbox, name });
  }

  /**
   * Puts the content of a snapshot back. Everything that runs ends with `killed`, and the sandbox goes on as a new container
   * with a new receipt, under the same id.
   */
  async restore(name: string): Promise<void> {
    this.#onRestored(await this.#call('workspace.restore', { sandbox: this.#sandbox, name }));
  }

  /**
   * Makes a workspace for another session of the same tenant, in a few milliseconds however big it is. FILE_EXISTS if that
   * session has one already.
   * @example await sandbox.workspace.fork({ session: 'attempt-2' }); const other = await cloister.open({ session: 'attempt-2' });
   */
  fork(options: ForkOptions): Promise<WorkspaceFork> {
    return this.#call('workspace.fork', { sandbox: this.#sandbox, session: options.session, snapshot: options.snapshot });
  }

  /** What was created, changed and deleted since a snapshot. */
  diff(options: DiffOptions): Promise<WorkspaceDiff> {
    return this.#call('workspace.diff', { sandbox: this.#sandbox, since: options.since, limit: options.limit });
  }

  /**
   * Takes back, in place, what a command with `checkpoint: true` changed; answers what was done. NO_MATCH, with nothing written,
   * if something was changed again since. NOT_FOUND once newer snapshots have taken the place of the checkpoint.
   * @example await sandbox.workspace.undo(result.id);
   */
  undo(execId: string, options: UndoOptions = {}): Promise<WorkspaceUndo> {
    return this.#call('workspace.undo', { sandbox: this.#sandbox, execId, overwrite: options.overwrite });
  }

  async #call<O extends Operation>(op: O, params: Params<O>): Promise<Result<O>> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    return await this.#host.connection.call(op, params);
  }
}
