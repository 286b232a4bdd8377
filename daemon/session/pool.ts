// The session pool: (tenant, session) -> Session. Owns get-or-create, the lease, admission, expiry and eviction;
// knows nothing of sockets or containers.

import PQueue from 'p-queue';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import type { ListRequest, OpenRequest, OpenResult, WorkspaceRetention } from '../../client/protocol/session.ts';
import { assertMayOpenAs, maySee, tenantOf } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import { grantPolicy } from '../policy/grant-policy.ts';
import { EndedSessions } from './ended-sessions.ts';
import { chooseVictim } from './eviction.ts';
import { assertSamePolicy, takeLease } from './lease.ts';
import { recordAnyway } from './record-anyway.ts';
import type { PoolOptions } from './pool-options.ts';
import type { SandboxOrder } from './running-sandbox.ts';
import { isListed } from './listing.ts';
import { makeSandbox } from './make-sandbox.ts';
import { newSandboxId } from './sandbox-id.ts';
import { Session } from './session.ts';

interface Entry {
  readonly session: Session;
  readonly ready: Promise<void>;
  readonly release: () => void;
  closing: Promise<void> | null;
  /** While it closes: a session that is opened into its place waits for that. */
  hasSuccessor: boolean;
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

  get isAccepting(): boolean {
    return this.#isAccepting;
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
      const release = this.#options.quotas.hold(order.tenant, order.policy.limits);
      this.#register({ session, ready: Promise.resolve(), release, closing: null, hasSuccessor: false });
    }
    return adopted.length;
  }

  /** Opens or joins a session for a client. */
  async open(request: OpenRequest, principal: Principal, clientId: string): Promise<OpenResult> {
    this.assertAccepting(`open session ${request.session}`);
    assertMayOpenAs(principal, request.role);
    const tenant = tenantOf(principal, request.tenant);
    if (!maySee(principal, tenant, request.session)) {
      throw new SandboxError('FORBIDDEN', `Cannot open session ${request.session}: the token is for another session`);
    }
    const key = keyOf(tenant, request.session);
    for (let closing = this.#byName.get(key)?.closing; closing; closing = this.#byName.get(key)?.closing) await closing;
    this.assertAccepting(`open session ${request.session}`);
    const known = this.#byName.get(key);
    if (known === undefined && request.role !== 'controller') {
      throw new SandboxError('NOT_FOUND', `Cannot join session ${request.session}: it is not open`, {
        hint: 'Open it as controller to make it.',
      });
    }
    const entry = known ?? this.#create(request, tenant);
    const { session } = entry;
    if (known === undefined) session.controller = clientId;
    else {
      assertSamePolicy(session, request);
      session.expireLease(this.#options.clock.now(), this.#options.leaseGraceMs);
      const former = takeLease(session, request, clientId);
      if (former !== null) this.#options.onLeaseLost(session, former);
    }
    await entry.ready;
    // Closed while it started: the answer is that, not a sandbox about to go.
    await entry.closing;
    if (request.role === 'controller' && session.controller !== clientId) {
      throw new SandboxError('LEASE_LOST', `Cannot open session ${request.session}: another connection took it over while it started`);
    }
    session.lastUsedAtMs = this.#options.clock.now();
    return session.openResult(known === undefined, request.role);
  }

  /** Throws SHUTTING_DOWN once the daemon stops; `doing` ends "Cannot". */
  assertAccepting(doing: string): void {
    if (!this.#isAccepting) throw new SandboxError('SHUTTING_DOWN', `Cannot ${doing}: the daemon is stopping`);
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
    return [...this.#byId.values()].map((entry) => entry.session).filter((session) => isListed(session, request, principal));
  }

  /** Ends a session; the promise settles when nothing of it is left. Idempotent. */
  async close(session: Session, reason: string, workspace?: WorkspaceRetention): Promise<void> {
    const entry = this.#byId.get(session.id);
    if (entry === undefined) return;
    entry.closing ??= this.#end(entry, 'closing', reason, workspace);
    await entry.closing;
  }

  /** clientId of who controls the sandbox; null: nobody. */
  controllerOf(id: SandboxId): string | null {
    return this.#byId.get(id)?.session.controller ?? null;
  }

  /** The client's connection is lost: its sessions wait for it, for their grace. */
  controllerLost(clientId: string): void {
    for (const { session } of this.#byId.values())
      if (session.controller === clientId) session.controllerLostAtMs = this.#options.clock.now();
  }

  /** The client will not come back. */
  controllerGone(clientId: string): void {
    for (const { session } of this.#byId.values())
      if (session.controller === clientId && session.controllerLostAtMs !== null) session.controller = null;
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
    // What closes already is closed to the end: half a sandbox is nothing the next daemon could go on with.
    if (mode === 'keep')
      await Promise.allSettled(
        entries.map(async (entry) => (entry.closing === null ? entry.session.runningSandbox?.detach() : entry.closing)),
      );
    else await Promise.allSettled(entries.map((entry) => this.close(entry.session, 'the daemon stops')));
  }

  #create(request: OpenRequest, tenant: TenantName): Entry {
    const { clock, policySource, quotas } = this.#options;
    const policy = grantPolicy(request, policySource());
    const workspaceName = request.workspace?.name ?? request.session;
    for (const { session } of this.#byId.values()) {
      if (session.tenant === tenant && session.workspaceName === workspaceName) {
        throw new SandboxError(
          'SESSION_BUSY',
          `Cannot open session ${request.session}: its workspace ${workspaceName} is in use by session ${session.session}`,
        );
      }
    }
    // Before anyone is evicted: who is over a ceiling takes no place from others.
    const release = quotas.reserve(tenant, policy.limits);
    let predecessor: Promise<void> | null;
    try {
      predecessor = this.#makeRoom();
    } catch (error) {
      release();
      throw error;
    }
    const createdAtMs = clock.now();
    const ttlMs = request.ttlMs ?? policy.ttlMs ?? this.#options.ttlMs;
    const order: SandboxOrder = {
      id: newSandboxId(),
      tenant,
      session: request.session,
      workspaceName,
      policy,
      labels: request.labels ?? {},
      env: request.env ?? {},
      retain: request.workspace?.retain ?? 'keep',
      createdAtMs,
      expiresAtMs: ttlMs === null ? null : createdAtMs + ttlMs,
      idleMs: policy.idleMs,
    };
    const session = this.#newSession(order);
    const ready = this.#creations.add(async () => {
      await predecessor;
      await this.#make(session, order);
    });
    const entry: Entry = { session, ready, release, closing: null, hasSuccessor: false };
    this.#register(entry);
    ready.catch(() => this.#forget(entry));
    return entry;
  }

  async #make(session: Session, order: SandboxOrder): Promise<void> {
    const sandbox = await makeSandbox(this.#options, order, this.#abort.signal);
    session.started(sandbox);
    void sandbox.died.then((cause) => this.#died(session, cause));
  }

  #newSession(order: SandboxOrder): Session {
    return new Session({ ...order, clock: this.#options.clock });
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
    const { log, onEnded } = this.#options;
    // Not in a later step where that can be helped: a call must not begin in between.
    if (
      session.state === 'starting' &&
      !(await entry.ready.then(
        () => true,
        () => false,
      ))
    )
      return;
    session.ending(state, reason);
    this.#ended.add(session, state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED', reason);
    onEnded(session, reason);
    let outcome = 'done';
    try {
      await session.runningSandbox?.close(workspace ?? session.retain, reason);
    } catch (error) {
      outcome = 'failed';
      log.error({ sandboxId: session.id, err: error }, 'sandbox not fully removed');
    }
    session.closed();
    this.#forget(entry);
    const { id: sandboxId, tenant, session: name } = session;
    recordAnyway(this.#options, { kind: 'sandbox.close', tenant, session: name, sandboxId, reason, outcome });
  }

  /** A place for one more: null if there is one, else the end of the session whose place it gets, each of one only. */
  #makeRoom(): Promise<void> | null {
    const entries = [...this.#byId.values()];
    if (entries.length < this.#options.maxSessions) return null;
    let leaving = entries.find((entry) => entry.closing !== null && !entry.hasSuccessor);
    if (leaving === undefined) {
      const victim = chooseVictim(entries.map((entry) => entry.session));
      void this.close(victim, 'evicted to make room');
      leaving = this.#byId.get(victim.id);
    }
    if (leaving === undefined) return null;
    leaving.hasSuccessor = true;
    return leaving.closing;
  }

  #scheduleSweep(): void {
    this.#stopSweep = this.#options.clock.after(this.#options.sweepMs, () => {
      const now = this.#options.clock.now();
      for (const { session, closing } of this.#byId.values()) {
        session.expireLease(now, this.#options.leaseGraceMs);
        const reason = session.dueReason(now);
        if (reason !== null && closing === null) void this.close(session, reason);
      }
      this.#scheduleSweep();
    });
  }
}

const keyOf = (tenant: TenantName, session: SessionName): string => `${tenant}/${session}`;
