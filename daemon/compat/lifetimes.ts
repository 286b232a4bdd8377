// How long sandboxes live by E2B's rules: a timeout, at whose end one is killed or paused, and paused ones that wait to be resumed.
// The daemon's own limits of life say the same, so killing needs nobody here; owns what only E2B knows: pausing at the end.

import type { SandboxInfo } from '../../client/index.ts';
import type { SandboxId, TenantName } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { LiveSandboxes } from './live-sandboxes.ts';

const SWEEP_MS = 2000;
const MIN_MS = 1000;
/** Labels that this endpoint reads back; what a client chooses has a prefix of its own. */
export const ON_TIMEOUT_LABEL = 'e2b.onTimeout';
/** The timeout, in seconds, that it goes on with. */
export const AUTO_RESUME_LABEL = 'e2b.autoResume';

export interface LifetimesOptions {
  readonly sandboxes: LiveSandboxes;
  readonly tenants: readonly TenantName[];
  /** What a timeout may be at most. */
  readonly maxTimeoutMs: number;
  /** How long a paused sandbox is kept. */
  readonly keepPausedMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Pausing {
  readonly tenant: TenantName;
  /** Since when it stands still, in milliseconds since the epoch; infinite while it is being paused. */
  sinceMs: number;
}

export class Lifetimes {
  readonly #options: LifetimesOptions;
  /** Paused because E2B's rules say so, not because they idle: the next call does not wake these. Swept. */
  readonly #paused = new Map<SandboxId, Pausing>();
  readonly #seen = new Set<TenantName>();
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(options: LifetimesOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#sweepAll().finally(() => {
      if (!this.#isStopped) this.#cancel = this.#options.clock.after(SWEEP_MS, () => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** What the daemon is told for a timeout that ends so. */
  lifeOf(timeoutSeconds: number, pausesAtEnd: boolean): { readonly ttlMs: number; readonly idleMs: number } {
    const ms = Math.min(Math.max(Math.ceil(timeoutSeconds * 1000), MIN_MS), this.#options.maxTimeoutMs);
    const ttlMs = pausesAtEnd ? ms + this.#options.keepPausedMs : ms;
    // Not using it ends no sandbox of E2B's.
    return { ttlMs, idleMs: ttlMs };
  }

  /** Milliseconds since the epoch. */
  endOf(info: SandboxInfo): number {
    const end = info.expiresAt === null ? this.#options.clock.now() + this.#options.maxTimeoutMs : Date.parse(info.expiresAt);
    return info.labels[ON_TIMEOUT_LABEL] === 'pause' && !this.isPaused(info) ? end - this.#options.keepPausedMs : end;
  }

  isPaused(info: Pick<SandboxInfo, 'id' | 'state'>): boolean {
    return info.state === 'paused' && this.#paused.has(info.id);
  }

  /** As the last call left it; a sandbox that was woken since by one of the daemon's other clients is told by the next sweep. */
  wasPaused(id: SandboxId): boolean {
    return this.#paused.has(id);
  }

  /** A timeout from now ends later than what the sandbox has. */
  isLonger(info: SandboxInfo, timeoutSeconds: number): boolean {
    return this.#options.clock.now() + this.lifeOf(timeoutSeconds, false).ttlMs > this.endOf(info);
  }

  async setTimeout(tenant: TenantName, info: SandboxInfo, timeoutSeconds: number): Promise<void> {
    const life = this.lifeOf(timeoutSeconds, info.labels[ON_TIMEOUT_LABEL] === 'pause');
    await this.#options.sandboxes.use(tenant, info.id, ({ sandbox }) => sandbox.extend(life));
  }

  async pause(tenant: TenantName, id: SandboxId): Promise<void> {
    const { sandboxes, keepPausedMs, clock } = this.#options;
    await sandboxes.use(tenant, id, async ({ sandbox }) => {
      await sandbox.extend({ ttlMs: keepPausedMs, idleMs: keepPausedMs });
      const pausing: Pausing = { tenant, sinceMs: Number.POSITIVE_INFINITY };
      this.#paused.set(id, pausing);
      try {
        await sandbox.pause({ force: true });
        pausing.sinceMs = clock.now();
      } catch (error) {
        this.#paused.delete(id);
        throw error;
      }
    });
  }

  async resume(tenant: TenantName, info: SandboxInfo, timeoutSeconds: number): Promise<void> {
    await this.setTimeout(tenant, info, timeoutSeconds);
    await this.#options.sandboxes.use(tenant, info.id, ({ sandbox }) => sandbox.resume());
    this.#paused.delete(info.id);
  }

  /** False: nobody said that a call wakes it. */
  async wake(tenant: TenantName, id: SandboxId): Promise<boolean> {
    const info = await this.#options.sandboxes.info(tenant, id);
    if (!this.isPaused(info)) return true;
    if (info.labels[AUTO_RESUME_LABEL] === undefined) return false;
    await this.resume(tenant, info, Number(info.labels[AUTO_RESUME_LABEL]));
    return true;
  }

  async #sweepAll(): Promise<void> {
    for (const tenant of this.#options.tenants) {
      if (this.#isStopped) return;
      try {
        await this.#sweep(tenant);
      } catch (error) {
        if (!this.#isStopped) this.#options.log.warn({ err: error, tenant }, 'sandboxes of the e2b endpoint not looked at');
      }
    }
  }

  async #sweep(tenant: TenantName): Promise<void> {
    const { sandboxes, clock, log } = this.#options;
    const askedMs = clock.now();
    const infos = await sandboxes.look(tenant);
    const ids = infos.map(({ id }) => id);
    // Who paused them is not known any more: their clients resume them, which does no harm to one that idled.
    if (!this.#seen.has(tenant))
      for (const { id, state } of infos) if (state === 'paused') this.#paused.set(id, { tenant, sinceMs: askedMs });
    this.#seen.add(tenant);
    const running = new Set(infos.filter(({ state }) => state === 'running').map(({ id }) => id));
    // Gone, or woken since by another client of the daemon; what was paused after the list was made is not in question.
    for (const [id, pausing] of this.#paused)
      if (pausing.tenant === tenant && pausing.sinceMs < askedMs && (running.has(id) || !ids.includes(id))) this.#paused.delete(id);
    for (const info of infos) {
      if (info.labels[ON_TIMEOUT_LABEL] !== 'pause' || this.#paused.has(info.id) || this.endOf(info) > clock.now()) continue;
      await this.pause(tenant, info.id).catch((error: unknown) =>
        log.warn({ err: error, sandboxId: info.id }, 'sandbox not paused at its timeout'),
      );
    }
  }
}
