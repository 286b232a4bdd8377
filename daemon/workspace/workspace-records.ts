// Who owns which workspace: one JSON file per workspace, the only place where a tenant's name meets an id.
// Owns <stateDir>/workspaces; must not touch the workspaces themselves.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { readJsonFile, syncDirectory, writeFileAtomic } from '../observe/atomic-file.ts';
import { workspaceIdSchema } from './store.ts';

const MAX_RECORDS = 100_000;
const ownerNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);
const idNumberSchema = z.number().int().min(1).max(0xffff_fffe);

const fieldsSchema = z.strictObject({
  id: workspaceIdSchema,
  /** Owner; null, like the name, while the workspace is a spare. */
  tenant: ownerNameSchema.nullable(),
  name: ownerNameSchema.nullable(),
  uid: idNumberSchema,
  gid: idNumberSchema,
  /** Id of the first workspace of the lineage; forks share its uid. */
  lineage: workspaceIdSchema,
  createdAt: z.iso.datetime(),
  /** What happens to the files when the session ends. */
  retain: z.enum(['keep', 'delete']),
  /** Hard byte quota asked for; null for none. */
  maxBytes: z.number().int().positive().nullable(),
  store: z.enum(['btrfs', 'directory', 'host']),
  /** Of a directory of the host: where it lies. */
  hostPath: z.string().max(4096).optional(),
  /** When its last sandbox ended. */
  lastUsedAt: z.iso.datetime().optional(),
  /** To be deleted: its name is free, its files and uid are not yet. */
  trashedAt: z.iso.datetime().optional(),
});
export const workspaceRecordSchema = fieldsSchema.refine(
  ({ tenant, name }) => (tenant === null) === (name === null),
  'tenant and name go together',
);
export type WorkspaceRecord = z.infer<typeof workspaceRecordSchema>;

export interface WorkspaceRecordsOptions {
  readonly stateDir: string;
  readonly log: Logger;
}

export interface Reconciliation {
  /** Ids with files and no record: nobody can open them. */
  readonly withoutRecord: readonly string[];
  /** Records whose files are gone. */
  readonly withoutDirectory: readonly WorkspaceRecord[];
  /** Ids whose record cannot be read; their files must be left alone. */
  readonly unreadable: readonly string[];
}

export class WorkspaceRecords {
  readonly #directory: string;
  readonly #byId = new Map<string, WorkspaceRecord>();
  /** `tenant/name` to id; a name holds no slash. */
  readonly #byOwner = new Map<string, string>();
  readonly #unreadable = new Set<string>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(options: WorkspaceRecordsOptions): Promise<WorkspaceRecords> {
    const records = new WorkspaceRecords(join(options.stateDir, 'workspaces'));
    await mkdir(records.#directory, { recursive: true, mode: 0o700 });
    for (const file of await readdir(records.#directory)) await records.#load(file, options.log);
    return records;
  }

  get(id: string): WorkspaceRecord | undefined {
    return this.#byId.get(id);
  }

  find(tenant: string, name: string): WorkspaceRecord | undefined {
    const id = this.#byOwner.get(`${tenant}/${name}`);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  list(): WorkspaceRecord[] {
    return [...this.#byId.values()];
  }

  /** Writes a new record: before the workspace is made. */
  async add(record: WorkspaceRecord): Promise<void> {
    if (this.#byId.has(record.id) || this.#unreadable.has(record.id)) throw conflict(record, 'its id is taken');
    if (this.#byId.size >= MAX_RECORDS) throw new SandboxError('CAPACITY', `Cannot record a workspace: there are ${MAX_RECORDS} already`);
    await this.#put(record);
  }

  /** Replaces fields of a record; giving a spare its tenant and name is the claim. */
  async update(
    id: string,
    changes: Partial<Pick<WorkspaceRecord, 'tenant' | 'name' | 'retain' | 'maxBytes' | 'uid' | 'gid' | 'lastUsedAt' | 'trashedAt'>>,
  ): Promise<WorkspaceRecord> {
    const present = this.#byId.get(id);
    if (present === undefined) throw new SandboxError('NOT_FOUND', `Cannot update the record of workspace ${id}: there is none`);
    const record = { ...present, ...changes };
    await this.#put(record);
    return record;
  }

  /** Removes a record: after the workspace is gone. Idempotent. */
  async remove(id: string): Promise<void> {
    const record = this.#byId.get(id);
    if (record === undefined) return;
    await rm(this.#path(id), { force: true });
    await syncDirectory(this.#directory);
    this.#byId.delete(id);
    this.#releaseOwner(record);
  }

  /** Compares the records with the ids of which the store holds files. */
  reconcile(storeIds: Iterable<string>): Reconciliation {
    const ids = new Set(storeIds);
    return {
      withoutRecord: [...ids].filter((id) => !this.#byId.has(id) && !this.#unreadable.has(id)),
      withoutDirectory: this.list().filter(({ id }) => !ids.has(id)),
      unreadable: [...this.#unreadable],
    };
  }

  async #put(record: WorkspaceRecord): Promise<void> {
    const parsed = workspaceRecordSchema.safeParse(record);
    if (!parsed.success) throw conflict(record, parsed.error.issues[0]?.message ?? 'it does not fit its schema');
    const owner = ownerKey(record);
    const holder = owner === undefined ? undefined : this.#byOwner.get(owner);
    if (holder !== undefined && holder !== record.id) throw conflict(record, 'the tenant has another of that name');
    const before = this.#byId.get(record.id);
    // Memory first: two concurrent claims of one name must not both reach the disk.
    this.#remember(record, before);
    try {
      await writeFileAtomic(this.#path(record.id), JSON.stringify(record));
    } catch (error) {
      this.#byId.delete(record.id);
      this.#releaseOwner(record);
      if (before !== undefined) this.#remember(before);
      throw error;
    }
  }

  #remember(record: WorkspaceRecord, before?: WorkspaceRecord): void {
    if (before !== undefined) this.#releaseOwner(before);
    this.#byId.set(record.id, record);
    const owner = ownerKey(record);
    if (owner !== undefined) this.#byOwner.set(owner, record.id);
  }

  #releaseOwner(record: WorkspaceRecord): void {
    const owner = ownerKey(record);
    if (owner !== undefined && this.#byOwner.get(owner) === record.id) this.#byOwner.delete(owner);
  }

  async #load(file: string, log: Logger): Promise<void> {
    const id = file.replace(/\.json$/, '');
    if (file.startsWith('.tmp-')) {
      await rm(join(this.#directory, file), { force: true });
      return;
    }
    if (!file.endsWith('.json') || !workspaceIdSchema.safeParse(id).success) return;
    try {
      const record = await readJsonFile(this.#path(id), workspaceRecordSchema);
      if (record === undefined) return;
      if (record.id !== id) throw conflict(record, `its file is named ${file}`);
      const owner = ownerKey(record);
      if (owner !== undefined && this.#byOwner.has(owner)) throw conflict(record, 'the tenant has another of that name');
      this.#remember(record);
    } catch (error) {
      this.#unreadable.add(id);
      log.error({ id, err: error }, 'workspace record cannot be read; its files are left alone');
    }
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

function ownerKey({ tenant, name, trashedAt }: WorkspaceRecord): string | undefined {
  return tenant === null || name === null || trashedAt !== undefined ? undefined : `${tenant}/${name}`;
}

function conflict(record: WorkspaceRecord, cause: string): SandboxError {
  return new SandboxError('INTERNAL', `Cannot record workspace ${record.id}: ${cause}`);
}
