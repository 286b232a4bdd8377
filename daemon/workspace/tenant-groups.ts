// One level-1 quota group per tenant, so that snapshots and checkpoints count into the tenant's storage.
// Owns the numbers of these groups, kept in a file of the pool itself; must not know workspaces.

import { join } from 'node:path';
import PQueue from 'p-queue';
import { z } from 'zod';
import { readJsonFile, writeFileAtomic } from '../observe/atomic-file.ts';
import { createQgroup, destroyQgroup, limitQgroup } from './btrfs-command.ts';
import type { QgroupFiles } from './qgroup-files.ts';

const fileSchema = z.strictObject({ groups: z.record(z.string().max(63), z.number().int().positive()) });

export interface TenantGroupsOptions {
  readonly pool: string;
  readonly qgroups: QgroupFiles;
  /** Hard limit of a tenant over workspaces and snapshots; null for none. */
  readonly tenantMaxBytes: (tenant: string) => number | null;
}

export class TenantGroups {
  readonly #options: TenantGroupsOptions;
  readonly #file: string;
  readonly #numbers: Map<string, number>;
  /** A group must not vanish between its lookup and the creation that joins it. */
  readonly #oneAtATime = new PQueue({ concurrency: 1 });

  private constructor(options: TenantGroupsOptions, file: string, numbers: Map<string, number>) {
    this.#options = options;
    this.#file = file;
    this.#numbers = numbers;
  }

  static async open(options: TenantGroupsOptions): Promise<TenantGroups> {
    const file = join(options.pool, 'tenants.json');
    const stored = await readJsonFile(file, fileSchema);
    return new TenantGroups(options, file, new Map(Object.entries(stored?.groups ?? {})));
  }

  /** Runs `join` with the tenant's group in place and its limit current. No tenant, no group. */
  async joining<Result>(tenant: string | null, join: (groups: readonly string[]) => Promise<Result>): Promise<Result> {
    if (tenant === null) return await join([]);
    return await this.#oneAtATime.add(async () => await join([await this.#ensure(tenant)]));
  }

  /** The tenant's group, if it has one. */
  groupOf(tenant: string): string | undefined {
    const number = this.#numbers.get(tenant);
    return number === undefined ? undefined : `1/${number}`;
  }

  /** Gives the tenant's group up if nothing is in it any more. */
  async release(tenant: string): Promise<void> {
    await this.#oneAtATime.add(async () => {
      const number = this.#numbers.get(tenant);
      if (number === undefined || !(await destroyQgroup(`1/${number}`, this.#options.pool))) return;
      this.#numbers.delete(tenant);
      await this.#save();
    });
  }

  async #ensure(tenant: string): Promise<string> {
    const { pool, qgroups, tenantMaxBytes } = this.#options;
    let number = this.#numbers.get(tenant);
    if (number === undefined) {
      number = Math.max(0, ...(await qgroups.numbers(1)), ...this.#numbers.values()) + 1;
      this.#numbers.set(tenant, number);
      // Written first: a crash leaves a number without a group, which the next call makes.
      await this.#save();
    }
    const group = `1/${number}`;
    if (!(await qgroups.exists(group))) await createQgroup(group, pool);
    const maxBytes = tenantMaxBytes(tenant);
    const state = await qgroups.state(group);
    if (state?.maxReferencedBytes !== maxBytes) await limitQgroup(group, maxBytes, pool);
    return group;
  }

  async #save(): Promise<void> {
    await writeFileAtomic(this.#file, JSON.stringify({ groups: Object.fromEntries(this.#numbers) }));
  }
}
