// The directory of a fleet in Redis, in the fleet's own words: members, placements, where workspaces lie. Owns how each question is
// asked and how its answer is read; decides nothing.

import { z } from 'zod';
import type { Limits } from '../../client/protocol/limits.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { PlacementScript } from './placement-scripts.ts';

/** What a member tells the others of itself. */
export const MemberRecord = z.strictObject({
  id: z.string().min(1).max(64),
  /** Where the other members reach it. */
  url: z.url({ protocol: /^https?$/ }),
  version: z.string().max(64),
  /** Of its previews' listener, on the same host. */
  previewPort: z.int().min(0).max(65_535),
  sessions: z.int().min(0),
  maxSessions: z.int().min(1),
  isDraining: z.boolean(),
});
export type MemberRecord = z.infer<typeof MemberRecord>;

export interface PlacedSession {
  readonly tenant: string;
  readonly session: string;
  readonly workspace: string;
  /** Its workspace outlives it. */
  readonly isKept: boolean;
  readonly limits: Pick<Limits, 'memoryBytes' | 'cpus' | 'diskBytes' | 'execs'>;
}

/** Of one tenant over the whole fleet. */
export interface TenantCeiling {
  readonly sandboxes?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly diskBytes?: number | undefined;
  readonly execs?: number | undefined;
}
const CEILINGS = ['sandboxes', 'memoryBytes', 'cpus', 'diskBytes', 'execs'] as const;

export type Located =
  | { readonly at: 'nowhere' }
  /** `leftMs` 0: its lease and grace are over. `member` null: nothing is known of it but its id. */
  | {
      readonly at: 'member';
      readonly id: string;
      readonly member: MemberRecord | null;
      readonly leftMs: number;
      readonly isBound: boolean;
    };

export type Acquired =
  | { readonly verdict: 'acquired'; readonly epoch: number; readonly former: string | null }
  | { readonly verdict: 'elsewhere'; readonly owner: string; readonly leftMs: number; readonly isBound: boolean }
  | { readonly verdict: 'quota'; readonly ceiling: (typeof CEILINGS)[number]; readonly used: number }
  | { readonly verdict: 'settling'; readonly retryAfterMs: number };

export type Reclaimed = { readonly verdict: 'held'; readonly epoch: number } | { readonly verdict: 'lost'; readonly owner: string };

const Count = z.coerce.number().min(0);
const Flag = z.enum(['0', '1']).transform((flag) => flag === '1');
const HeartbeatReply = z.tuple([z.int(), z.string()]);
const LocateReply = z.tuple([z.string(), z.string(), Count, Flag]);
const OwnerReply = z.tuple([z.string(), z.string()]);
const AcquireReply = z.union([
  z.tuple([z.literal('acquired'), Count, z.string()]),
  z.tuple([z.literal('elsewhere'), z.string(), Count, Flag]),
  z.tuple([z.literal('quota'), Count, Count]),
  z.tuple([z.literal('settling'), Count]),
]);
const ReclaimReply = z.union([z.tuple([z.literal('held'), Count]), z.tuple([z.literal('lost'), z.string()])]);

export interface PlacementStoreOptions {
  readonly run: (script: PlacementScript, args: readonly string[]) => Promise<unknown>;
  /** The id of this member. */
  readonly self: string;
  readonly leaseMs: number;
  readonly graceMs: number;
  /** Milliseconds; Redis's own clock unless given. */
  readonly now?: (() => number) | undefined;
}

export class PlacementStore {
  readonly #options: PlacementStoreOptions;

  constructor(options: PlacementStoreOptions) {
    this.#options = options;
  }

  /** Renews the lease of all this member has. `hasLapsed`: others may have taken some of it. `opensAt` tells one content of Redis from the next. */
  async heartbeat(record: MemberRecord): Promise<{ readonly hasLapsed: boolean; readonly opensAt: string }> {
    const { self, leaseMs, graceMs } = this.#options;
    const [wasThere, opensAt] = await this.#ask('heartbeat', HeartbeatReply, [self, leaseMs, graceMs, JSON.stringify(record)]);
    return { hasLapsed: wasThere === 0, opensAt };
  }

  async leave(): Promise<void> {
    await this.#ask('leave', z.unknown(), [this.#options.self]);
  }

  /** Those whose lease lasts; a record that this release can't read is left out. */
  async members(): Promise<MemberRecord[]> {
    const records = await this.#ask('members', z.array(z.string()), []);
    return records.map(memberOf).filter((member) => member !== null);
  }

  async locate(tenant: string, session: string, workspace: string): Promise<Located> {
    const [id, record, leftMs, isBound] = await this.#ask('locate', LocateReply, [tenant, session, workspace]);
    return id === '' ? { at: 'nowhere' } : { at: 'member', id, member: memberOf(record), leftMs, isBound };
  }

  /** null: nobody is known to have it. */
  async ownerOf(sandbox: string): Promise<{ readonly id: string; readonly member: MemberRecord | null } | null> {
    const [id, record] = await this.#ask('ownerOf', OwnerReply, [sandbox]);
    return id === '' ? null : { id, member: memberOf(record) };
  }

  /** Makes a session this member's, within the tenant's ceilings; `isFresh`: also where its workspace is bound to a member that is lost. */
  async acquire(asked: PlacedSession, ceiling: TenantCeiling, isFresh: boolean): Promise<Acquired> {
    const { tenant, session, workspace, isKept } = asked;
    const ceilings = CEILINGS.map((key) => ceiling[key] ?? '-').join(' ');
    const names = [this.#options.self, tenant, session, workspace, flag(isKept), flag(isFresh)];
    const reply = await this.#ask('acquire', AcquireReply, [...names, usageOf(asked), ceilings]);
    switch (reply[0]) {
      case 'acquired':
        return { verdict: 'acquired', epoch: reply[1], former: reply[2] === '' ? null : reply[2] };
      case 'elsewhere':
        return { verdict: 'elsewhere', owner: reply[1], leftMs: reply[2], isBound: reply[3] };
      case 'quota':
        return { verdict: 'quota', ceiling: CEILINGS[reply[1]] ?? 'sandboxes', used: reply[2] };
      default:
        return { verdict: 'settling', retryAfterMs: reply[1] };
    }
  }

  /** For a session that this member has: refreshes its placement, and restores it where Redis has lost it. `epoch` 0: not known any more. */
  async reclaim(held: PlacedSession, epoch: number, sandbox: string): Promise<Reclaimed> {
    const { tenant, session, workspace, isKept } = held;
    const names = [this.#options.self, tenant, session, workspace, flag(isKept), epoch];
    const [verdict, value] = await this.#ask('reclaim', ReclaimReply, [...names, usageOf(held), sandbox]);
    return verdict === 'held' ? { verdict, epoch: value } : { verdict, owner: value };
  }

  /** All that count as this member's. */
  async owned(): Promise<{ readonly tenant: string; readonly session: string; readonly workspace: string }[]> {
    const names = await this.#ask('owned', z.array(z.string()), [this.#options.self]);
    return names.map((name) => {
      const [tenant = '', session = '', workspace = ''] = name.split('/');
      return { tenant, session, workspace };
    });
  }

  /** False: it was not this member's under this epoch; 0: whichever. */
  async release(held: Pick<PlacedSession, 'tenant' | 'session' | 'isKept'>, epoch: number, sandbox: string): Promise<boolean> {
    const { tenant, session, isKept } = held;
    return (await this.#ask('release', z.int(), [this.#options.self, tenant, session, epoch, sandbox, flag(isKept)])) === 1;
  }

  /** Says that these workspaces, `tenant/name`, lie here; answers those that count as another member's. */
  async bind(workspaces: readonly string[]): Promise<string[]> {
    return await this.#ask('bind', z.array(z.string()), [this.#options.self, ...workspaces]);
  }

  async #ask<Schema extends z.ZodType>(
    script: PlacementScript,
    schema: Schema,
    args: readonly (string | number)[],
  ): Promise<z.output<Schema>> {
    const reply = await this.#options.run(script, [this.#options.now?.() ?? -1, ...args].map(String));
    const parsed = schema.safeParse(reply);
    if (parsed.success) return parsed.data;
    throw new SandboxError('INTERNAL', `Cannot read the answer of the fleet's directory to ${script}`, { cause: parsed.error });
  }
}

const flag = (value: boolean): string => (value ? '1' : '0');
const usageOf = ({ limits: { memoryBytes, cpus, diskBytes, execs } }: PlacedSession): string =>
  `${memoryBytes} ${cpus} ${diskBytes} ${execs}`;

function memberOf(text: string): MemberRecord | null {
  try {
    return MemberRecord.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
