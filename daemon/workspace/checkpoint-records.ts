// What is remembered of the checkpoints of commands: that one was taken, and what the command changed. One file each, beside
// the pool, because no tenant may write it. Owns <stateDir>/checkpoints; must not touch workspaces.

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CHECKPOINT_PREFIX } from '../../client/protocol/workspace.ts';
import { writeFileAtomic } from '../observe/atomic-file.ts';
import { requireWorkspaceId, workspaceIdSchema } from './store.ts';
import type { TreeChange } from './tree-diff.ts';

const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Changes up to which a command can be undone. */
export const MAX_UNDONE_CHANGES = 50_000;
const OPEN = '.open';
const CLOSED = '.json';

const entrySchema = z.strictObject({
  type: z.enum(['file', 'directory', 'symlink', 'fifo', 'socket', 'device']),
  mode: z.int(),
  size: z.int(),
  inode: z.string(),
  changedAt: z.string(),
  target: z.string(),
});
const recordSchema = z.strictObject({
  execId: z.string().max(64),
  /** null: there were more than MAX_UNDONE_CHANGES. */
  changes: z
    .array(
      z.strictObject({
        path: z.string(),
        kind: z.enum(['created', 'changed', 'deleted']),
        before: entrySchema.optional(),
        after: entrySchema.optional(),
        sha256: z.string().optional(),
      }),
    )
    .max(MAX_UNDONE_CHANGES)
    .nullable(),
});
export interface CheckpointRecord {
  readonly execId: string;
  readonly changes: readonly TreeChange[] | null;
}

/** Exec ids have capitals, names of snapshots have not. */
export function checkpointName(execId: string): string {
  return `${CHECKPOINT_PREFIX}${createHash('sha256').update(execId).digest('hex').slice(0, 40)}`;
}

export class CheckpointRecords {
  readonly #directory: string;
  /** `workspace/snapshot` to exec id. At most as many as there are snapshots. */
  readonly #execIds = new Map<string, string>();
  /** Of these, those of commands that have not ended. */
  readonly #open = new Set<string>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(stateDir: string): Promise<CheckpointRecords> {
    const records = new CheckpointRecords(join(stateDir, 'checkpoints'));
    await mkdir(records.#directory, { recursive: true, mode: 0o700 });
    for (const id of await readdir(records.#directory)) if (workspaceIdSchema.safeParse(id).success) await records.#load(id);
    return records;
  }

  /** Before the snapshot is taken. */
  async begin(id: string, execId: string): Promise<void> {
    await mkdir(this.#of(id), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.#path(id, execId, OPEN), execId);
    this.#open.add(`${id}/${checkpointName(execId)}`);
    this.#execIds.set(`${id}/${checkpointName(execId)}`, execId);
  }

  isOpen(id: string, execId: string): boolean {
    return this.#open.has(`${id}/${checkpointName(execId)}`);
  }

  /** The command of a checkpoint, by its snapshot's name. */
  execIdOf(id: string, name: string): string | undefined {
    return this.#execIds.get(`${id}/${name}`);
  }

  async end(id: string, execId: string, changes: readonly TreeChange[]): Promise<void> {
    const record: CheckpointRecord = { execId, changes: changes.length > MAX_UNDONE_CHANGES ? null : changes };
    await writeFileAtomic(this.#path(id, execId, CLOSED), JSON.stringify(record));
    await rm(this.#path(id, execId, OPEN), { force: true });
    this.#open.delete(`${id}/${checkpointName(execId)}`);
  }

  async read(id: string, execId: string): Promise<CheckpointRecord | undefined> {
    const path = this.#path(id, execId, CLOSED);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.size > MAX_FILE_BYTES) return undefined;
    return recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  }

  /** By the snapshot's name. */
  async remove(id: string, name: string): Promise<void> {
    const execId = this.#execIds.get(`${id}/${name}`);
    if (execId === undefined) return;
    await Promise.all([OPEN, CLOSED].map((suffix) => rm(this.#path(id, execId, suffix), { force: true })));
    this.#open.delete(`${id}/${name}`);
    this.#execIds.delete(`${id}/${name}`);
  }

  async removeWorkspace(id: string): Promise<void> {
    await rm(this.#of(id), { recursive: true, force: true });
    for (const map of [this.#open, this.#execIds]) for (const key of map.keys()) if (key.startsWith(`${id}/`)) map.delete(key);
  }

  async #load(id: string): Promise<void> {
    for (const file of await readdir(this.#of(id))) {
      const [, execId, suffix] = /^([A-Za-z0-9_-]{1,64})(\.open|\.json)$/.exec(file) ?? [];
      if (execId === undefined) continue;
      const key = `${id}/${checkpointName(execId)}`;
      this.#execIds.set(key, execId);
      if (suffix === OPEN) this.#open.add(key);
    }
  }

  #of(id: string): string {
    return join(this.#directory, requireWorkspaceId(id));
  }

  #path(id: string, execId: string, suffix: string): string {
    return join(this.#of(id), `${execId}${suffix}`);
  }
}
