// The session pool: (tenant, session) -> Session. Owns get-or-create, the lease, admission, expiry and eviction;
// knows nothing of sockets or containers.
//
// For what changes a workspace as a whole (restore): `restart(session, { by, reason, between })` ends the sandbox of a live
// session, awaits `between()` while none of its processes lives, and starts a new sandbox for the same order, on whatever
// workspace the (tenant, name) record names by then. Sandbox id, session, lease and roles stay; the receipt is new.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId, TenantName } from '../../client/protocol/names.ts';
import type { ListRequest, OpenRequest, OpenResult, WorkspaceRetention } from '../../client/protocol/session.ts';
import { assertMayOpenAs, assertWithinCeilings, maySee, tenantOf } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import { grantPolicy } from '../policy/grant-policy.ts';
import { EndedSessions } from './ended-sessions.ts';
import { chooseVictim } from './eviction.ts';
import { assertSamePolicy, takeLease } from './lease.ts';
import { recordAnyway } from './record-anyway.ts';
import { pauseIdle } from './pause-idle.ts';
import type { PoolOptions } from './pool-options.ts';
import type { SandboxOrder } from './running-sandbox.ts';
import { isListed } from './listing.ts';
import { newSandboxId } from './sandbox-id.ts';
import { orderOf, withId } from './sandbox-order.ts';
import { type Entry, SessionTable } from './session-table.ts';
import { Session } from './session.ts';
import { type Restart, Starts } from './starts.ts';

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #table = new SessionTable();
  readonly #ended = new EndedSessions();
  readonly #starts: Starts;
  #stopSweep: () => void = () => {};
  #isAccepting = true;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#starts = new Starts({ ...options, onDied: (session, cause) => this.#died(session, cause) });
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
      this.#starts.started(session, sandbox, 'cold');
      // When it was used last is not on disk: it gets its idle time anew.
      session.lastUsedAtMs = this.#options.clock.now();
      session.awaitClients(sandbox, this.#options.leaseGraceMs);
      const release = this.#options.quotas.hold(order.tenant, order.policy.limits);
      this.#table.add({ session, ready: Promise.resolve(), release, closing: null, hasSuccessor: false });
    }
    return adopted.length;
  }

  /** Everything that was there is adopted or gone: from now on there may be more than is asked for. */
  start(): void {
    this.#options.maker.start();
  }

  /** Opens or joins a session for a client. */
  async open(request: OpenRequest, principal: Principal, clientId: string): Promise<OpenResult> {
    this.assertAccepting(`open session ${request.session}`);
    assertMayOpenAs(principal, request.role);
    const tenant = tenantOf(principal, request.tenant);
    if (!maySee(principal, tenant, request.session)) {
      throw new SandboxError('FORBIDDEN', `Cannot open session ${request.session}: the token is for another session`);
    }
    const named = () => this.#table.byName(tenant, request.session);
    for (let closing = named()?.closing; closing; closing = named()?.closing) await closing;
    this.assertAccepting(`open session ${request.session}`);
    const known = named();
    this.#ended.assertStill(request.sandbox, known?.session.id, principal);
    if (known === undefined && request.role !== 'controller') {
      throw new SandboxError('NOT_FOUND', `Cannot join session ${request.session}: it is not open`, {
        hint: 'Open it as controller to make it.',
      });
    }
    const entry = known ?? this.#create(request, tenant, principal);
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
    const session = this.#table.byId(id)?.session;
    if (session === undefined || !maySee(principal, session.tenant, session.session)) {
      throw this.#ended.errorFor(id, principal) ?? new SandboxError('NOT_FOUND', `Cannot find sandbox ${id}: there is none of this id`);
    }
    return session;
  }

  /** Whoever asks; for records. */
  sessionOf(id: string): Session | undefined {
    return this.#table.byId(id as SandboxId)?.session;
  }

  /** All there are, whoever asks; for sums. */
  sessions(): readonly Session[] {
    return this.#table.sessions();
  }

  list(request: ListRequest, principal: Principal): Session[] {
    return this.#table.sessions().filter((session) => isListed(session, request, principal));
  }

  /** Ends a session; the promise settles when nothing of it is left. Idempotent. */
  async close(session: Session, reason: string, workspace?: WorkspaceRetention): Promise<void> {
    const entry = this.#table.byId(session.id);
    if (entry === undefined) return;
    entry.closing ??= this.#end(entry, 'closing', reason, workspace);
    await entry.closing;
  }

  /** Ends and starts a live session's sandbox; see the head of this file. Its commands end `killed`; a session that can't be started again ends. */
  async restart(session: Session, restart: Restart): Promise<void> {
    const entry = this.#table.byId(session.id);
    if (entry === undefined || entry.closing !== null)
      throw new SandboxError('SESSION_BUSY', `Cannot restart the sandbox of session ${session.session}: it is closing`);
    this.assertAccepting(`restart the sandbox of session ${session.session}`);
    session.sandbox();
    const restarted = this.#starts.restart(session, restart);
    entry.ready = restarted.then(() => undefined);
    entry.ready.catch(() => undefined);
    const failure = await restarted.catch((error: unknown) => {
      this.#ending(session, 'failed', `its sandbox could not be started again (${String(error)})`);
      this.#table.forget(entry);
      throw error;
    });
    if (failure !== null) throw failure.cause;
  }

  /** clientId of who controls the sandbox; null: nobody. */
  controllerOf(id: SandboxId): string | null {
    return this.#table.byId(id)?.session.controller ?? null;
  }

  /** The client's connection is lost: its sessions wait for it, for their grace. */
  controllerLost(clientId: string): void {
    for (const session of this.#table.sessions())
      if (session.controller === clientId) session.controllerLostAtMs = this.#options.clock.now();
  }

  /** The client will not come back. */
  controllerGone(clientId: string): void {
    for (const session of this.#table.sessions())
      if (session.controller === clientId && session.controllerLostAtMs !== null) session.controller = null;
  }

  /** Refuses new work, waits for running commands until the deadline, then closes or leaves the sandboxes. */
  async drain(mode: 'keep' | 'close', drainMs: number): Promise<void> {
    this.#isAccepting = false;
    this.#stopSweep();
    const deadline = this.#options.clock.now() + drainMs;
    while (this.#options.clock.now() < deadline && this.#table.sessions().some(({ isBusy }) => isBusy)) {
      await new Promise<void>((resolve) => this.#options.clock.after(50, resolve));
    }
    await Promise.all([this.#starts.stop(), this.#options.maker.stop()]);
    const entries = this.#table.all();
    // What closes already is closed to the end: half a sandbox is nothing the next daemon could go on with.
    if (mode === 'keep')
      await Promise.allSettled(
        entries.map(async (entry) => (entry.closing === null ? entry.session.runningSandbox?.detach() : entry.closing)),
      );
    else await Promise.allSettled(entries.map((entry) => this.close(entry.session, 'the daemon stops')));
  }

  #create(request: OpenRequest, tenant: TenantName, principal: Principal): Entry {
    const { clock, maker, policySource, quotas } = this.#options;
    const policy = grantPolicy(request, policySource());
    assertWithinCeilings(principal, policy.limits, this.list({}, principal).length);
    const workspaceName = request.workspace?.name ?? request.session;
    const other = this.#table.onWorkspace(tenant, workspaceName);
    if (other !== undefined) {
      throw new SandboxError(
        'SESSION_BUSY',
        `Cannot open session ${request.session}: its workspace ${workspaceName} is in use by session ${other.session}`,
      );
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
    const draft = orderOf({ request, tenant, policy, ttlMs: this.#options.ttlMs, nowMs: clock.now() });
    const spare = maker.reserve(draft);
    const order = withId(draft, spare ?? newSandboxId());
    const session = this.#newSession(order);
    const entry: Entry = {
      session,
      ready: this.#starts.start(session, order, spare !== null, predecessor),
      release,
      closing: null,
      hasSuccessor: false,
    };
    this.#table.add(entry);
    entry.ready.catch(() => this.#table.forget(entry));
    return entry;
  }

  #newSession(order: SandboxOrder): Session {
    return new Session({ ...order, clock: this.#options.clock });
  }

  #died(session: Session, cause: string): void {
    const entry = this.#table.byId(session.id);
    if (entry === undefined || entry.closing !== null) return;
    entry.closing = this.#end(entry, 'failed', cause);
  }

  async #end(entry: Entry, state: 'closing' | 'failed', reason: string, workspace?: WorkspaceRetention): Promise<void> {
    const { session } = entry;
    const { log } = this.#options;
    // Not in a later step where that can be helped: a call must not begin in between.
    if (
      session.state === 'starting' &&
      !(await entry.ready.then(
        () => true,
        () => false,
      ))
    )
      return;
    this.#ending(session, state, reason);
    let outcome = 'done';
    try {
      await session.runningSandbox?.close(workspace ?? session.retain, reason);
    } catch (error) {
      outcome = 'failed';
      log.error({ sandboxId: session.id, err: error }, 'sandbox not fully removed');
    }
    session.closed();
    this.#table.forget(entry);
    const { id: sandboxId, tenant, session: name } = session;
    recordAnyway(this.#options, { kind: 'sandbox.close', tenant, session: name, sandboxId, reason, outcome });
  }

  #ending(session: Session, state: 'closing' | 'failed', reason: string): void {
    session.ending(state, reason);
    this.#ended.add(session, state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED', reason);
    this.#options.onEnded(session, reason);
  }

  /** A place for one more: null if there is one, else the end of the session whose place it gets, each of one only. */
  #makeRoom(): Promise<void> | null {
    const entries = this.#table.all();
    if (entries.length < this.#options.maxSessions) return null;
    let leaving = entries.find((entry) => entry.closing !== null && !entry.hasSuccessor);
    if (leaving === undefined) {
      const victim = chooseVictim(entries.map((entry) => entry.session));
      void this.close(victim, 'evicted to make room');
      leaving = this.#table.byId(victim.id);
    }
    if (leaving === undefined) return null;
    leaving.hasSuccessor = true;
    return leaving.closing;
  }

  #scheduleSweep(): void {
    this.#stopSweep = this.#options.clock.after(this.#options.sweepMs, () => {
      const now = this.#options.clock.now();
      for (const { session, closing } of this.#table.all()) {
        session.expireLease(now, this.#options.leaseGraceMs);
        const reason = session.dueReason(now);
        if (reason !== null && closing === null) void this.close(session, reason);
      }
      pauseIdle(this.#table.sessions(), now, this.#options);
      this.#scheduleSweep();
    });
  }
}
