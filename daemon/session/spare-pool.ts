// Spares: started sandboxes that are nobody's yet, so that an open need not wait for a container. Owns how many there are of
// which kind, who gets one, and when more are made; how one is made or claimed is the factory's.

import type { SandboxId } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';

/** Rest between two, as a multiple of what the last one took: so one processor is at most half busy with it. */
const REST_FACTOR = 1;
const BUSY_REST_MS = 100;
/** Whoever has just got one works now, and others may be coming for theirs. */
const AFTER_CLAIM_MS = 250;
/** The host is full: whether it still is costs nothing to ask. */
const FULL_REST_MS = 1000;
const FIRST_DELAY_MS = 1000;
const LAST_DELAY_MS = 60_000;
const ROUND_MS = 60_000;

/** So many spares of one image, profile and runtime. */
export interface Target {
  readonly policy: GrantedPolicy;
  readonly size: number;
}

export interface Spare {
  readonly id: SandboxId;
  readonly policy: GrantedPolicy;
  /** Resolves with the cause when it has ended by itself. */
  readonly died: Promise<string>;
  /** It still is what an order would get today. */
  isCurrent(): Promise<boolean>;
  /** Removes it and its workspace. */
  discard(reason: string): Promise<void>;
}

export interface SparePoolOptions<S extends Spare> {
  /** Asked anew for each spare: the configuration may have changed. */
  readonly targets: () => readonly Target[];
  readonly make: (target: Target, signal: AbortSignal) => Promise<S>;
  /** A place on the host, or null if there is none left for a spare. */
  readonly hold: (policy: GrantedPolicy) => (() => void) | null;
  /** Somebody waits for a container: spares come later. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Kept<S> {
  readonly spare: S;
  readonly release: () => void;
}

export class SparePool<S extends Spare> {
  readonly #options: SparePoolOptions<S>;
  /** Free ones, the oldest first. */
  readonly #free = new Map<SandboxId, Kept<S>>();
  /** Promised to an order that has not come for it yet. */
  readonly #reserved = new Map<SandboxId, S>();
  readonly #ending = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #isRunning = false;
  #making: Promise<void> = Promise.resolve();
  #cancelNext: () => void = () => undefined;
  #cancelRound: () => void = () => undefined;
  #delayMs = FIRST_DELAY_MS;

  constructor(options: SparePoolOptions<S>) {
    this.#options = options;
  }

  start(): void {
    if (this.#isRunning || this.#abort.signal.aborted) return;
    this.#isRunning = true;
    this.#next(0);
    this.#scheduleRound();
  }

  /** Free spares. */
  get size(): number {
    return this.#free.size;
  }

  /** Keeps the oldest that fits; in one step, so that no two orders ever get the same. */
  reserve(fits: (spare: S) => boolean): SandboxId | null {
    for (const [id, { spare, release }] of this.#free) {
      if (!fits(spare)) continue;
      this.#free.delete(id);
      this.#reserved.set(id, spare);
      // Whoever it is for has a place of his own.
      release();
      this.#next(AFTER_CLAIM_MS);
      return id;
    }
    return null;
  }

  /** The reserved spare, once. */
  take(id: SandboxId): S | null {
    const spare = this.#reserved.get(id) ?? null;
    this.#reserved.delete(id);
    return spare;
  }

  /** Ends free spares, oldest first, for as long as it is asked to. */
  async giveUpWhile(isCrowded: () => boolean): Promise<void> {
    const given: Promise<void>[] = [];
    for (const id of [...this.#free.keys()]) {
      if (!isCrowded()) break;
      given.push(this.#drop(id, 'its place is needed'));
    }
    await Promise.all(given);
  }

  /** Ends every spare, and makes no more. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancelNext();
    this.#cancelRound();
    await this.#making;
    for (const spare of this.#reserved.values()) void this.#end(spare, 'the daemon stops');
    this.#reserved.clear();
    for (const id of [...this.#free.keys()]) void this.#drop(id, 'the daemon stops');
    await Promise.all(this.#ending);
  }

  #next(afterMs: number): void {
    this.#cancelNext();
    if (!this.#isRunning || this.#abort.signal.aborted) return;
    this.#cancelNext = this.#options.clock.after(afterMs, () => {
      // One at a time: a second one would only take the processor from whoever works.
      const former = this.#making;
      this.#making = former.then(() => this.#refill());
    });
  }

  async #refill(): Promise<void> {
    const { targets, hold, make, isBusy, clock, log } = this.#options;
    const { signal } = this.#abort;
    if (signal.aborted) return;
    if (isBusy()) return this.#next(BUSY_REST_MS);
    const startedAtMs = clock.now();
    let release: (() => void) | null = null;
    try {
      const missing = this.#missing(targets());
      if (missing === undefined) return;
      release = hold(missing.policy);
      if (release === null) return this.#next(FULL_REST_MS);
      this.#keep({ spare: await make(missing, signal), release });
      this.#delayMs = FIRST_DELAY_MS;
      this.#next((clock.now() - startedAtMs) * REST_FACTOR);
    } catch (error) {
      release?.();
      if (signal.aborted) return;
      log.warn({ err: error, delayMs: this.#delayMs }, 'spare not made');
      this.#next(this.#delayMs);
      this.#delayMs = Math.min(LAST_DELAY_MS, this.#delayMs * 2);
    }
  }

  #missing(targets: readonly Target[]): Target | undefined {
    const have = (target: Target): number =>
      [...this.#free.values()].filter(({ spare }) => spare.policy.sha256 === target.policy.sha256).length;
    return targets.find((target) => have(target) < target.size);
  }

  #keep(kept: Kept<S>): void {
    const { spare } = kept;
    this.#free.set(spare.id, kept);
    void spare.died.then((cause) => {
      if (!this.#free.has(spare.id)) return;
      this.#options.log.warn({ sandboxId: spare.id, cause }, 'spare ended by itself');
      void this.#drop(spare.id, cause);
      this.#next(FIRST_DELAY_MS);
    });
  }

  #drop(id: SandboxId, reason: string): Promise<void> {
    const kept = this.#free.get(id);
    if (kept === undefined) return Promise.resolve();
    this.#free.delete(id);
    kept.release();
    return this.#end(kept.spare, reason);
  }

  #end(spare: S, reason: string): Promise<void> {
    const ending = spare
      .discard(reason)
      .catch((error: unknown) => this.#options.log.error({ sandboxId: spare.id, err: error }, 'spare not fully removed'))
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    return ending;
  }

  /** From time to time: what is out of date goes, and what was given up comes back. */
  #scheduleRound(): void {
    this.#cancelRound = this.#options.clock.after(ROUND_MS, () => {
      this.#round()
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'spares not looked through'))
        .finally(() => {
          if (!this.#abort.signal.aborted) this.#scheduleRound();
        });
    });
  }

  async #round(): Promise<void> {
    const wanted = new Set(this.#options.targets().map(({ policy }) => policy.sha256));
    for (const [id, { spare }] of [...this.#free]) {
      const isWanted = wanted.has(spare.policy.sha256) && (await spare.isCurrent().catch(() => true));
      if (!isWanted) void this.#drop(id, 'its image or policy is out of date');
    }
    this.#next(0);
  }
}
