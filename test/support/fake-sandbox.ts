// Sandboxes without containers: what the pool and the gateway see of one, and nothing behind it.

import { EventEmitter } from 'node:events';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { WorkspaceRetention } from '../../client/protocol/session.ts';
import { DEFAULT_LIMITS } from '../../client/protocol/limits.ts';
import { OpenRequest } from '../../client/protocol/session.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Principal } from '../../daemon/auth/principal.ts';
import type { AuditEntry, AuditLog } from '../../daemon/observe/audit-log.ts';
import type { Log } from '../../daemon/observe/log.ts';
import type { PolicySource } from '../../daemon/policy/grant-policy.ts';
import { DEFAULT_RULES } from '../../daemon/policy/permission-presets.ts';
import type { AdoptedSandbox, RunningSandbox, SandboxMaker, SandboxOrder } from '../../daemon/session/running-sandbox.ts';
import { SessionPool } from '../../daemon/session/pool.ts';
import type { PoolOptions } from '../../daemon/session/pool-options.ts';
import { Quotas } from '../../daemon/session/quota.ts';
import type { Session } from '../../daemon/session/session.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeExecs } from './fake-execs.ts';

export class FakeSandbox {
  readonly order: SandboxOrder;
  readonly execs = new FakeExecs();
  readonly egress = null;
  readonly shell = 'sh';
  readonly files = { stat: async (path: string) => ({ path }), list: async () => ({ entries: [], truncated: false }) };
  readonly died: Promise<string>;
  readonly life: { expiresAtMs: number | null; idleMs: number }[] = [];
  /** What it was closed with; null: it lives. */
  closed: { workspace: WorkspaceRetention; reason: string; runningThen: number } | null = null;
  isGone = false;
  isDetached = false;
  readonly #events = new EventEmitter();
  readonly #maker: FakeMaker;
  die: (cause: string) => void = () => undefined;

  constructor(order: SandboxOrder, maker: FakeMaker) {
    this.order = order;
    this.#maker = maker;
    this.died = new Promise((resolve) => (this.die = resolve));
  }

  get id(): SandboxOrder['id'] {
    return this.order.id;
  }

  get receipt(): Receipt {
    return { sandboxId: this.id } as unknown as Receipt;
  }

  env(): Record<string, string> {
    return {};
  }

  async close(workspace: WorkspaceRetention, reason: string): Promise<void> {
    this.closed ??= { workspace, reason, runningThen: this.execs.runningCount };
    await this.#maker.closing;
    this.isGone = true;
    this.#events.emit('gone');
    if (this.#maker.failsToClose) throw new Error('the engine does not answer');
  }

  async saveLife(life: { expiresAtMs: number | null; idleMs: number }): Promise<void> {
    this.life.push(life);
  }

  /** What was done to it, in order. */
  readonly pauses: ('pause' | 'resume')[] = [];
  /** What pausing and resuming wait for. */
  pausing: Promise<void> = Promise.resolve();

  async pause(): Promise<void> {
    this.pauses.push('pause');
    await this.pausing;
  }

  async resume(): Promise<void> {
    this.pauses.push('resume');
    await this.pausing;
  }

  async detach(): Promise<void> {
    this.isDetached = true;
  }
}

export class FakeMaker implements SandboxMaker {
  readonly made: FakeSandbox[] = [];
  /** Adopted at the start. */
  left: readonly AdoptedSandbox[] = [];
  /** What making and closing wait for. */
  making: Promise<void> = Promise.resolve();
  closing: Promise<void> = Promise.resolve();
  failure: Error | null = null;
  failsToClose = false;
  /** The most that lived at one time. */
  peak = 0;

  get alive(): FakeSandbox[] {
    return this.made.filter(({ isGone }) => !isGone);
  }

  async make(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox> {
    const sandbox = new FakeSandbox(order, this);
    await Promise.race([this.making, new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))]);
    signal.throwIfAborted();
    if (this.failure !== null) throw this.failure;
    this.made.push(sandbox);
    this.peak = Math.max(this.peak, this.alive.length);
    return asRunning(sandbox);
  }

  async adopt(): Promise<readonly AdoptedSandbox[]> {
    return this.left;
  }

  /** Ids that are kept as spares; the next order gets the first. */
  readonly spares: SandboxOrder['id'][] = [];
  /** What a claim finds out: the spare is no good. */
  isSpareBad = false;

  reserve(): SandboxOrder['id'] | null {
    return this.spares.shift() ?? null;
  }

  async claim(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox | null> {
    return this.isSpareBad ? null : this.make(order, signal);
  }

  start(): void {
    return undefined;
  }

  async stop(): Promise<void> {
    this.spares.length = 0;
  }
}

/** What stands in for a class with private parts has to be cast. */
export const asRunning = (sandbox: FakeSandbox): RunningSandbox => sandbox as unknown as RunningSandbox;

export class FakeAudit {
  readonly entries: AuditEntry[] = [];
  isFull = false;

  append(entry: AuditEntry): void {
    if (this.isFull) throw new Error('ENOSPC: no space left on device');
    this.entries.push(entry);
  }

  get log(): AuditLog {
    return this as unknown as AuditLog;
  }

  of(kind: string): AuditEntry[] {
    return this.entries.filter((entry) => entry.kind === kind);
  }
}

export const silentLog = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Log;

export const policySource = (more: Partial<PolicySource> = {}): PolicySource => ({
  profiles: {},
  images: { base: 'sha256:base' },
  runtimes: ['runc'],
  defaults: { profile: 'workspace-write-no-network', image: 'base', runtime: 'runc', limits: DEFAULT_LIMITS, idleMs: 60_000, ttlMs: null },
  maxima: {},
  permissions: { rules: DEFAULT_RULES, hardFloor: true },
  ...more,
});

export function principal(
  more: Partial<Omit<Principal, 'tenant' | 'session'>> & { tenant?: string | null; session?: string } = {},
): Principal {
  const { tenant = 'acme', session, ...rest } = more;
  return {
    role: 'tenant',
    isReadOnly: false,
    tokenId: 'token-1',
    expiresAt: Date.UTC(2030, 0, 1),
    ...rest,
    tenant: tenant === null ? null : TenantName.parse(tenant),
    session: session === undefined ? null : SessionName.parse(session),
  };
}

export const openRequest = (session: string, more: Partial<Record<keyof OpenRequest, unknown>> = {}): OpenRequest =>
  OpenRequest.parse({ session, ...more });

export interface PoolHarness {
  readonly pool: SessionPool;
  readonly maker: FakeMaker;
  readonly clock: FakeClock;
  readonly audit: FakeAudit;
  readonly quotas: Quotas;
  readonly ended: { session: Session; reason: string }[];
  readonly lost: { session: Session; former: string }[];
}

export function poolHarness(more: Partial<PoolOptions> & { perTenant?: object; host?: object; maker?: FakeMaker } = {}): PoolHarness {
  const { perTenant = {}, host = {}, maker = new FakeMaker(), ...options } = more;
  const clock = new FakeClock();
  const audit = new FakeAudit();
  const quotas = new Quotas({ perTenant, host });
  const ended: PoolHarness['ended'] = [];
  const lost: PoolHarness['lost'] = [];
  const pool = new SessionPool({
    maker,
    policySource: () => policySource(),
    quotas,
    clock,
    log: silentLog,
    audit: audit.log,
    maxSessions: 100,
    ttlMs: null,
    sweepMs: 1000,
    leaseGraceMs: 30_000,
    pauseIdleMs: null,
    creating: 4,
    onEnded: (session, reason) => ended.push({ session, reason }),
    onLeaseLost: (session, former) => lost.push({ session, former }),
    ...options,
  });
  return { pool, maker, clock, audit, quotas, ended, lost };
}

/** `no error`, or the code and the reason after the colon. */
export async function refusal(call: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof call === 'function' ? call() : call);
    return 'no error';
  } catch (error) {
    if (!SandboxError.is(error)) throw error;
    return `${error.code}: ${error.message.slice(error.message.indexOf(': ') + 2)}`;
  }
}
