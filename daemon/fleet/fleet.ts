// One member of a fleet: its heartbeat, which sessions it owns and under which fencing epoch, which it has lost. Owns the rule that
// nothing is served here that another member has; how Redis keeps it is placement-store.ts's, how bytes get to the owner the gateway's.

import type { SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { AuditEntry } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Session } from '../session/session.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { MemberRecord, PlacedSession, PlacementStore, TenantCeiling } from './placement-store.ts';
import { ownerAway } from './owner-away.ts';

/** Between two refreshes of everything this member has, so that nothing of it runs out in Redis. */
const REFRESH_MS = 600_000;
const MAX_FENCED = 2048;
const WORKSPACES_AT_ONCE = 500;

export interface FleetOptions {
  readonly store: PlacementStore;
  readonly self: Pick<MemberRecord, 'id' | 'version' | 'maxSessions'>;
  readonly sessions: () => readonly Session[];
  /** Workspaces that outlive their sessions, `tenant/name`. */
  readonly keptWorkspaces: () => readonly string[];
  readonly ceiling: () => TenantCeiling;
  /** Ends a session that another member has by now. */
  readonly fence: (session: Session) => Promise<void>;
  readonly record: (entry: AuditEntry) => void;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Held {
  readonly placed: PlacedSession;
  readonly epoch: number;
  /** Empty until its sandbox is on record in Redis. */
  sandbox: string;
}

export class Fleet {
  readonly #options: FleetOptions;
  /** By tenant/session; those the pool has and those that are being opened. */
  readonly #held = new Map<string, Held>();
  readonly #opening = new Map<string, number>();
  readonly #turns = new KeyedTurns();
  /** Sandboxes that were lost, so that a late call is told so. The oldest go first. */
  readonly #fenced = new Set<SandboxId>();
  #url = '';
  #previewPort = 0;
  #isDraining = false;
  #isStopped = false;
  #cancelBeat: () => void = () => undefined;
  #opensAt = '';
  #isVerified = false;
  #refreshAtMs = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get selfRecord(): MemberRecord {
    return {
      ...this.#options.self,
      url: this.#url,
      previewPort: this.#previewPort,
      sessions: this.#options.sessions().length,
      isDraining: this.#isDraining,
    };
  }

  /** Says that this member is there, where others reach it, and claims what it has, if Redis answers; goes on trying otherwise. */
  async start(url: string, previewPort: number): Promise<void> {
    this.#url = url;
    this.#previewPort = previewPort;
    await this.#beat();
  }

  /** It takes nothing new from now on. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#beat();
  }

  /** `isLeft`: it has nothing any more. Otherwise its sessions wait for it, for its lease and grace. */
  async stop(isLeft: boolean): Promise<void> {
    this.#isStopped = true;
    this.#cancelBeat();
    await this.#turns.settled();
    if (isLeft) await this.#options.store.leave().catch(() => undefined);
  }

  /** Before a session is opened here: makes it this member's, or says whose it is. Each call is followed by one of `settled`. */
  async admit(asked: PlacedSession, isFresh: boolean): Promise<void> {
    const key = keyOf(asked);
    this.#opening.set(key, (this.#opening.get(key) ?? 0) + 1);
    await this.#turns.run(key, async () => {
      const live = this.sessionNamed(asked.tenant, asked.session);
      if (live !== undefined && live.ended() === null) {
        if (this.#held.has(key)) return;
        // Of an earlier daemon, and nobody could yet be asked whether it is still its own.
        await this.#reclaim(live).catch(() => undefined);
        if (this.#held.has(key)) return;
        throw ownerAway(asked, { leftMs: 0, isBound: true });
      }
      const { verdict, ...found } = await this.#acquire(key, asked, isFresh);
      this.#options.record({ kind: 'placement.acquire', tenant: asked.tenant, session: asked.session, verdict, ...found });
      this.#held.set(key, { placed: asked, epoch: found.epoch, sandbox: '' });
    });
  }

  /** The opening is over: what came of it is told to the others, or the place is given back. */
  async settled(asked: PlacedSession): Promise<void> {
    const key = keyOf(asked);
    const left = (this.#opening.get(key) ?? 1) - 1;
    if (left > 0) this.#opening.set(key, left);
    else this.#opening.delete(key);
    await this.#reconcile(asked.tenant, asked.session);
  }

  /** A session has ended. */
  ended(tenant: string, session: string): void {
    void this.#reconcile(tenant, session);
  }

  /** LEASE_LOST for a sandbox that another member's took the place of. */
  assertServed(sandbox: string): void {
    if (this.#fenced.has(sandbox as SandboxId))
      throw new SandboxError('LEASE_LOST', `Cannot use sandbox ${sandbox}: another member of the fleet took its session over`);
  }

  sessionNamed(tenant: string, name: string): Session | undefined {
    return this.#options.sessions().find((session) => session.tenant === tenant && session.session === name);
  }

  /** Workspaces that came to be here, `tenant/name`: their sessions are opened here from now on. */
  async bind(workspaces: readonly string[]): Promise<void> {
    for (let at = 0; at < workspaces.length; at += WORKSPACES_AT_ONCE) {
      const elsewhere = await this.#options.store.bind(workspaces.slice(at, at + WORKSPACES_AT_ONCE));
      if (elsewhere.length > 0)
        this.#options.log.warn(
          { workspaces: elsewhere.slice(0, 20), count: elsewhere.length },
          'workspaces here count as another member’s',
        );
    }
  }

  async #acquire(key: string, asked: PlacedSession, isFresh: boolean): Promise<{ verdict: string; epoch: number; former: string | null }> {
    const ceiling = this.#options.ceiling();
    const answer = await this.#options.store.acquire(asked, ceiling, isFresh).catch((error: unknown) => {
      // Redis may have done it all the same: whatever there is will be given back.
      if (!this.#held.has(key)) this.#held.set(key, { placed: asked, epoch: 0, sandbox: '' });
      throw error;
    });
    if (answer.verdict === 'acquired') return answer;
    if (answer.verdict === 'elsewhere') throw ownerAway(asked, answer);
    if (answer.verdict === 'settling')
      throw new SandboxError(
        'CAPACITY',
        'Cannot place sessions: the directory of the fleet is new, its members are still reporting what they have',
        {
          retryAfterMs: Math.max(100, answer.retryAfterMs),
        },
      );
    throw new SandboxError(
      'QUOTA_EXCEEDED',
      `Cannot open a sandbox: quota ${answer.ceiling} of tenant ${asked.tenant} over the fleet is ${ceiling[answer.ceiling]}, in use ${answer.used}`,
    );
  }

  async #beat(): Promise<void> {
    this.#cancelBeat();
    const { store, clock, log, leaseMs } = this.#options;
    try {
      const { hasLapsed, opensAt } = await store.heartbeat(this.selfRecord);
      if (hasLapsed || opensAt !== this.#opensAt || clock.now() >= this.#refreshAtMs) this.#isVerified = false;
      this.#opensAt = opensAt;
      if (!this.#isVerified) await this.#verify();
      for (const { placed } of [...this.#held.values()]) await this.#reconcile(placed.tenant, placed.session);
    } catch (error) {
      log.debug({ err: error }, 'heartbeat failed');
    }
    if (!this.#isStopped) this.#cancelBeat = clock.after(leaseMs / 3, () => void this.#beat());
  }

  /** Asks for everything this member has whether it still is its own. */
  async #verify(): Promise<void> {
    for (const session of this.#options.sessions()) {
      if (session.ended() === null) await this.#turns.run(`${session.tenant}/${session.session}`, () => this.#reclaim(session));
    }
    await this.#giveBackStrays();
    await this.bind(this.#options.keptWorkspaces());
    this.#isVerified = true;
    this.#refreshAtMs = this.#options.clock.now() + REFRESH_MS;
  }

  /** Placements whose sandboxes have gone without anybody here to say so: the host was restarted, or Redis was away. */
  async #giveBackStrays(): Promise<void> {
    const { store, keptWorkspaces, log } = this.#options;
    const kept = new Set(keptWorkspaces());
    for (const { tenant, session, workspace } of await store.owned()) {
      const key = `${tenant}/${session}`;
      if (this.#held.has(key) || this.#opening.has(key) || this.sessionNamed(tenant, session) !== undefined) continue;
      await this.#turns.run(key, () => store.release({ tenant, session, isKept: kept.has(`${tenant}/${workspace}`) }, 0, ''));
      log.info({ tenant, session }, 'placement of a sandbox that is gone given back');
    }
  }

  async #reclaim(session: Session): Promise<void> {
    const key = `${session.tenant}/${session.session}`;
    const placed = placedOf(session);
    const answer = await this.#options.store.reclaim(placed, this.#held.get(key)?.epoch ?? 0, session.id);
    if (answer.verdict === 'held') {
      this.#held.set(key, { placed, epoch: answer.epoch, sandbox: session.id });
      return;
    }
    this.#held.delete(key);
    this.#fenced.add(session.id);
    for (const oldest of this.#fenced) {
      if (this.#fenced.size <= MAX_FENCED) break;
      this.#fenced.delete(oldest);
    }
    const { tenant, session: name, id: sandboxId } = session;
    this.#options.record({ kind: 'placement.lost', tenant, session: name, sandboxId, owner: answer.owner });
    this.#options.log.warn({ sandboxId, owner: answer.owner }, 'another member took a session over; it is ended here');
    await this.#options.fence(session);
  }

  /** Redis is told of the session's sandbox, or that there is none any more. What fails is done at a later heartbeat. */
  async #reconcile(tenant: string, name: string): Promise<void> {
    const key = `${tenant}/${name}`;
    await this.#turns
      .run(key, async () => {
        const held = this.#held.get(key);
        if (held === undefined) return;
        const session = this.sessionNamed(tenant, name);
        if (session !== undefined) {
          if (session.ended() === null && session.id !== held.sandbox) await this.#reclaim(session);
          return;
        }
        if (this.#opening.has(key)) return;
        const isKept = this.#options.keptWorkspaces().includes(`${tenant}/${held.placed.workspace}`);
        await this.#options.store.release({ ...held.placed, isKept }, held.epoch, held.sandbox);
        this.#held.delete(key);
        this.#options.record({ kind: 'placement.release', tenant, session: name, epoch: held.epoch });
      })
      .catch((error: unknown) => this.#options.log.debug({ err: error, tenant, session: name }, 'placement not brought up to date yet'));
  }
}

const keyOf = ({ tenant, session }: Pick<PlacedSession, 'tenant' | 'session'>): string => `${tenant}/${session}`;

/** The names are those of the session, so they are of its own kind. */
const placedOf = (session: Session): PlacedSession & { readonly tenant: TenantName; readonly session: SessionName } => ({
  tenant: session.tenant,
  session: session.session,
  workspace: session.workspaceName,
  isKept: session.retain === 'keep',
  limits: session.policy.limits,
});
