// The session pool: (tenant, session) -> Session. Owns get-or-create, the lease, admission, expiry and eviction;
// knows nothing of sockets or containers.

import { randomBytes } from 'node:crypto';
import PQueue from 'p-queue';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SandboxId, type SessionName, type TenantName } from '../../client/protocol/names.ts';
import type { ListRequest, OpenRequest, OpenResult, WorkspaceRetention } from '../../client/protocol/session.ts';
import { maySee, tenantOf } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import { grantPolicy, type PolicySource } from '../policy/grant-policy.ts';
import { EndedSessions } from './ended-sessions.ts';
import { assertSamePolicy, takeLease } from './lease.ts';
import type { Quotas } from './quota.ts';
import type { SandboxMaker, SandboxOrder } from './running-sandbox.ts';
import { Session } from './session.ts';

export interface PoolOptions {
  readonly maker: SandboxMaker;
  readonly policySource: () => PolicySource;
  readonly quotas: Quotas;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly maxSessions: number;
  readonly ttlMs: number | null;
  readonly sweepMs: number;
  readonly leaseGraceMs: number;
  readonly creating: number;
  /** Told of every session that ended. */
  readonly onEnded: (session: Session, reason: string) => void;
  /** Told of a controller that lost its lease to another client. */
  readonly onLeaseLost: (session: Session, formerClientId: string) => void;
}

interface Entry {
  readonly session: Session;
  readonly ready: Promise<void>;
  readonly release: () => void;
  closing: Promise<void> | null;
}

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #byName = new Map<string, Entry>();
  readonly #byId = new Map<SandboxId, Entry>();
  readonly #ended = new EndedSessions();
  readonly #creations: PQueue;
  readonly #abort = new AbortController();
  #stopSweep: () => void = () => {};
  #isAccepting = true;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#creations = new PQueue({ concurrency: options.creating });
    this.#scheduleSweep();
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Takes over the sandboxes that an earlier daemon left running. */
  async adopt(): Promise<number> {
    const adopted = await this.#options.maker.adopt();
    for (const { order, sandbox } of adopted) {
      const session = this.#newSession(order);
      session.started(sandbox);
      // When it was used last is not on disk: it gets its idle time anew.
      session.lastUsedAtMs = this.#options.clock.now();
      session.awaitClients(sandbox, this.#options.leaseGraceMs);
      void sandbox.died.then((cause) => this.#died(session, cause));
      // Safe because: an adopted sandbox already uses its share; refusing it here would only hide the use.
      const release = this.#reserveOrNothing(order);
      this.#register({ session, ready: Promise.resolve(), release, closing: null });
    }
    return adopted.length;
  }

  /** Opens or joins a session for a client. */
  async open(request: OpenRequest, principal: Principal, clientId: string): Promise<OpenResult> {
    if (!this.#isAccepting) throw new SandboxError('SHUTTING_DOWN', `Cannot open session ${request.session}: the daemon is stopping`);
    const tenant = tenantOf(principal, request.tenant);
    if (!maySee(principal, tenant, request.session)) {
      throw new SandboxError('FORBIDDEN', `Cannot open session ${request.session}: the token is for another session`);
    }
    const key = keyOf(tenant, request.session);
    const closing = this.#byName.get(key)?.closing;
    if (closing) await closing;
    const known = this.#byName.get(key);
    const entry = known ?? this.#create(request, tenant);
    const isCreator = known === undefined;
    if (isCreator && request.role !== 'observer') entry.session.controller = request.role === 'controller' ? clientId : null;
    if (!isCreator) {
      assertSamePolicy(entry.session, request);
      const former = takeLease(entry.session, request, clientId);
      if (former !== null) this.#options.onLeaseLost(entry.session, former);
    }
    await entry.ready;
    entry.session.lastUsedAtMs = this.#options.clock.now();
    return entry.session.openResult(isCreator, request.role);
  }

  /** A session by its sandbox id, as far as the principal may see it: NOT_FOUND otherwise. */
  find(id: SandboxId, principal: Principal): Session {
    const session = this.#byId.get(id)?.session;
    if (session === undefined || !maySee(principal, session.tenant, session.session)) {
      throw this.#ended.errorFor(id, principal) ?? new SandboxError('NOT_FOUND', `Cannot find sandbox ${id}: there is none of this id`);
    }
    return session;
  }

  list(request: ListRequest, principal: Principal): Session[] {
    const wanted = Object.entries(request.labels ?? {});
    return [...this.#byId.values()]
      .map((entry) => entry.session)
      .filter((session) => maySee(principal, session.tenant, session.session))
      .filter((session) => request.tenant === undefined || session.tenant === request.tenant)
      .filter((session) => request.state === undefined || session.info().state === request.state)
      .filter((session) => wanted.every(([name, value]) => session.labels[name] === value));
  }

  /** Ends a session; the promise settles when nothing of it is left. Idempotent. */
  async close(session: Session, reason: string, workspace?: WorkspaceRetention): Promise<void> {
    const entry = this.#byId.get(session.id);
    if (entry === undefined) return;
    entry.closing ??= this.#end(entry, 'closing', reason, workspace);
    await entry.closing;
  }

  /** The client's controlled sessions lose their controller for now. */
  controllerLost(clientId: string): void {
    for (const { session } of this.#byId.values()) if (session.controller === clientId) session.controllerLostAtMs = this.#options.clock.now();
  }

  /** The client will not come back. */
  controllerGone(clientId: string): void {
    for (const { session } of this.#byId.values()) if (session.controller === clientId && session.controllerLostAtMs !== null) session.controller = null;
  }

  /** Refuses new work, waits for running commands until the deadline, then closes or leaves the sandboxes. */
  async drain(mode: 'keep' | 'close', drainMs: number): Promise<void> {
    this.#isAccepting = false;
    this.#stopSweep();
    const deadline = this.#options.clock.now() + drainMs;
    while (this.#options.clock.now() < deadline && [...this.#byId.values()].some((entry) => entry.session.isBusy)) {
      await new Promise<void>((resolve) => this.#options.clock.after(50, resolve));
    }
    this.#abort.abort();
    await this.#creations.onIdle();
    const entries = [...this.#byId.values()];
    if (mode === 'keep') await Promise.allSettled(entries.map((entry) => entry.session.runningSandbox?.detach()));
    else await Promise.allSettled(entries.map((entry) => this.close(entry.session, 'the daemon stops')));
  }

  #create(request: OpenRequest, tenant: TenantName): Entry {
    const { clock, policySource, quotas } = this.#options;
    const policy = grantPolicy(request, policySource());
    const workspaceName = request.workspace?.name ?? request.session;
    for (const { session } of this.#byId.values()) {
      if (session.tenant === tenant && session.workspaceName === workspaceName) {
        throw new SandboxError('SESSION_BUSY', `Cannot open session ${request.session}: its workspace ${workspaceName} is in use by session ${session.session}`);
      }
    }
    if (this.#byId.size >= this.#options.maxSessions) this.#evictOne();
    const release = quotas.reserve(tenant, policy.limits);
    const createdAtMs = clock.now();
    const ttlMs = request.ttlMs ?? policy.ttlMs ?? this.#options.ttlMs;
    const order: SandboxOrder = {
      id: newSandboxId(), tenant, session: request.session, workspaceName, policy, labels: request.labels ?? {}, env: request.env ?? {},
      retain: request.workspace?.retain ?? 'keep', createdAtMs, expiresAtMs: ttlMs === null ? null : createdAtMs + ttlMs, idleMs: policy.idleMs,
    };
    const session = this.#newSession(order);
    const ready = this.#creations.add(async () => this.#make(session, order));
    const entry: Entry = { session, ready, release, closing: null };
    this.#register(entry);
    ready.catch(() => this.#forget(entry));
    return entry;
  }

  async #make(session: Session, order: SandboxOrder): Promise<void> {
    const { maker, audit, log } = this.#options;
    const identity = { tenant: order.tenant, session: order.session, sandboxId: order.id, policySha256: order.policy.sha256, labels: order.labels };
    try {
      const sandbox = await maker.make(order, this.#abort.signal);
      session.started(sandbox);
      audit.append({ kind: 'sandbox.open', ...identity, outcome: 'done', receipt: sandbox.receipt });
      void sandbox.died.then((cause) => this.#died(session, cause));
    } catch (error) {
      audit.append({ kind: 'sandbox.open', ...identity, outcome: 'failed', code: SandboxError.is(error) ? error.code : 'INTERNAL', message: String(error) });
      log.warn({ ...identity, err: error }, 'sandbox not opened');
      throw error;
    }
  }

  #newSession(order: SandboxOrder): Session {
    return new Session({ ...order, clock: this.#options.clock });
  }

  #reserveOrNothing(order: SandboxOrder): () => void {
    try {
      return this.#options.quotas.reserve(order.tenant, order.policy.limits);
    } catch {
      return () => {};
    }
  }

  #register(entry: Entry): void {
    this.#byName.set(keyOf(entry.session.tenant, entry.session.session), entry);
    this.#byId.set(entry.session.id, entry);
  }

  #forget(entry: Entry): void {
    const key = keyOf(entry.session.tenant, entry.session.session);
    if (this.#byName.get(key) === entry) this.#byName.delete(key);
    this.#byId.delete(entry.session.id);
    entry.release();
  }

  #died(session: Session, cause: string): void {
    const entry = this.#byId.get(session.id);
    if (entry === undefined || entry.closing !== null) return;
    entry.closing = this.#end(entry, 'failed', cause);
  }

  async #end(entry: Entry, state: 'closing' | 'failed', reason: string, workspace?: WorkspaceRetention): Promise<void> {
    const { session } = entry;
    const { audit, log, onEnded } = this.#options;
    await entry.ready.catch(() => undefined);
    session.ending(state, reason);
    this.#ended.add(session, state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED', reason);
    onEnded(session, reason);
    let failure: unknown;
    try {
      await session.runningSandbox?.close(workspace ?? session.retain, reason);
    } catch (error) {
      failure = error;
      log.error({ sandboxId: session.id, err: error }, 'sandbox not fully removed');
    }
    session.closed();
    this.#forget(entry);
    audit.append({ kind: 'sandbox.close', tenant: session.tenant, session: session.session, sandboxId: session.id, reason, outcome: failure === undefined ? 'done' : 'failed' });
  }

  /** Makes room by closing the least recently used session without work; controlled ones last. */
  #evictOne(): void {
    const idle = [...this.#byId.values()].filter((entry) => entry.closing === null && entry.session.state === 'running' && !entry.session.isBusy);
    const isHeld = (session: Session) => session.controller !== null && session.controllerLostAtMs === null;
    idle.sort((a, b) => Number(isHeld(a.session)) - Number(isHeld(b.session)) || a.session.lastUsedAtMs - b.session.lastUsedAtMs);
    const victim = idle[0];
    if (victim === undefined) throw new SandboxError('CAPACITY', 'Cannot open a session: the pool is full and every session is working', { retryAfterMs: 5000 });
    void this.close(victim.session, 'evicted to make room');
  }

  #scheduleSweep(): void {
    this.#stopSweep = this.#options.clock.after(this.#options.sweepMs, () => {
      this.#sweep();
      this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    for (const entry of this.#byId.values()) {
      entry.session.expireLease(now, this.#options.leaseGraceMs);
      const reason = entry.session.dueReason(now);
      if (reason !== null && entry.closing === null) void this.close(entry.session, reason);
    }
  }
}

const keyOf = (tenant: TenantName, session: SessionName): string => `${tenant}/${session}`;

function newSandboxId(): SandboxId {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return SandboxId.parse(`sb_${[...randomBytes(20)].map((byte) => alphabet[byte & 31]).join('')}`);
}
