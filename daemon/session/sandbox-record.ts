// What must survive the daemon about a sandbox: one file each, written before the effect it announces.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Limits } from '../../client/protocol/limits.ts';
import { Labels, SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import { Receipt } from '../../client/protocol/receipt.ts';
import { WorkspaceRetention } from '../../client/protocol/session.ts';
import { readJsonFile, removeTemporaries, writeFileAtomic } from '../observe/atomic-file.ts';
import { GrantedEgress, NO_EGRESS } from '../policy/egress-policy.ts';
import { GrantedPermissions, NO_PERMISSIONS } from '../policy/permission-policy.ts';
import { Profile } from '../policy/profiles.ts';

const Policy = z.strictObject({
  profileName: z.string(),
  profile: Profile,
  imageName: z.string(),
  imageReference: z.string(),
  runtime: z.string(),
  limits: Limits,
  idleMs: z.number(),
  ttlMs: z.number().nullable(),
  egress: GrantedEgress.default(NO_EGRESS),
  permissions: GrantedPermissions.default(NO_PERMISSIONS),
  sha256: z.string(),
});

const Fields = z.strictObject({
  version: z.literal(1),
  id: SandboxId,
  /** null, like the session, while it is a spare: nobody's yet. */
  tenant: TenantName.nullable(),
  session: SessionName.nullable(),
  /** Empty while it is a spare. */
  workspaceName: z.string(),
  workspaceId: z.string(),
  /** Of a workspace that is a directory of the host. */
  hostPath: z.string().optional(),
  policy: Policy,
  labels: Labels,
  env: z.record(z.string(), z.string()),
  /** Environment of every command: the image's, then ours. */
  baseEnv: z.record(z.string(), z.string()),
  retain: WorkspaceRetention,
  createdAtMs: z.number(),
  expiresAtMs: z.number().nullable(),
  idleMs: z.number(),
  uid: z.int(),
  gid: z.int(),
  slot: z.string(),
  nonces: z.strictObject({ current: z.string(), previous: z.string().nullable() }),
  /** null until the engine has made it. */
  containerId: z.string().nullable(),
  shell: z.enum(['bash', 'sh']),
  /** null until the sandbox was handed out. */
  receipt: Receipt.nullable(),
});
export const SandboxRecord = Fields.refine(
  ({ tenant, session }) => (tenant === null) === (session === null),
  'tenant and session go together',
);
export type SandboxRecord = z.infer<typeof SandboxRecord>;

export class SandboxRecords {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(stateDir: string): Promise<SandboxRecords> {
    const directory = join(stateDir, 'sandboxes');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await removeTemporaries(directory);
    return new SandboxRecords(directory);
  }

  async save(record: SandboxRecord): Promise<void> {
    await writeFileAtomic(this.#path(record.id), JSON.stringify(record));
  }

  async remove(id: SandboxId): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  /** Every record; `broken` are files that do not parse, for the caller to report. */
  async list(): Promise<{ readonly records: SandboxRecord[]; readonly broken: string[] }> {
    const records: SandboxRecord[] = [];
    const broken: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (!/^sb_[a-z2-7]{20}\.json$/.test(name)) continue;
      const path = join(this.#directory, name);
      try {
        const record = await readJsonFile(path, SandboxRecord);
        if (record !== undefined) records.push(record);
      } catch {
        broken.push(path);
      }
    }
    return { records, broken };
  }

  #path(id: SandboxId): string {
    return join(this.#directory, `${id}.json`);
  }
}
