// What sandboxes and host use, sampled while somebody looks and shared by all who do. Owns the samples and their bounds;
// who may see what is its readers' business.

import type { SandboxId } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Session } from '../session/session.ts';
import type { DiskUsage, HostReader, HostUsage } from './host-reader.ts';
import { type Counted, RateCounter } from './rate-counter.ts';

export const SAMPLE_MS = 2000;
/** Nobody asked for that long: sampling ends. */
const WATCHED_MS = 15_000;
/** Samples between two looks at disks, which cost more and change less. */
const DISK_EVERY = 10;
/** Six minutes. */
const MAX_POINTS = 180;

/** Time, processors, bytes of memory, processes, bytes on disk; null: not known. */
export type UsagePoint = readonly [
  atMs: number,
  cpus: number | null,
  memoryBytes: number | null,
  pids: number | null,
  diskBytes: number | null,
];

export interface HostPoint extends Counted {
  readonly atMs: number;
  readonly cpuBusy: number | null;
  readonly memoryUsedBytes: number;
  readonly sandboxes: number;
  readonly execs: number;
}

export interface LiveSamplerOptions {
  readonly sessions: () => readonly Session[];
  /** Bytes that a session's workspace has; null: it can't be told. */
  readonly workspaceBytes: (session: Session) => Promise<number | null>;
  readonly disk: () => Promise<DiskUsage | null>;
  readonly host: Pick<HostReader, 'read'>;
  /** Calls back for every audit record; the result ends that. */
  readonly onRecord: (listener: (entry: Readonly<Record<string, unknown>>) => void) => () => void;
  readonly clock: Clock;
}

interface Meter {
  readonly points: UsagePoint[];
  cpuMs: number | null;
  diskBytes: number | null;
}

export class LiveSampler {
  readonly #options: LiveSamplerOptions;
  readonly #rates = new RateCounter();
  readonly #meters = new Map<SandboxId, Meter>();
  readonly history: HostPoint[] = [];
  host: HostUsage | null = null;
  disk: DiskUsage | null = null;
  #atMs = 0;
  #lookedAtMs = 0;
  #count = 0;
  #isReadingDisks = false;
  #stop: (() => void) | null = null;

  constructor(options: LiveSamplerOptions) {
    this.#options = options;
  }

  /** When the last sample was taken. */
  get sampledAtMs(): number {
    return this.#atMs;
  }

  get isSampling(): boolean {
    return this.#stop !== null;
  }

  /** Somebody looks: samples are at most SAMPLE_MS old from here on, for a while. */
  look(): void {
    const { clock, onRecord } = this.#options;
    this.#lookedAtMs = clock.now();
    if (this.#stop !== null) return;
    const stopCounting = onRecord((entry) => this.#rates.add(entry));
    let cancel: () => void = () => undefined;
    this.#stop = () => {
      stopCounting();
      cancel();
    };
    this.#rates.take();
    this.#count = 0;
    const next = (): void => {
      if (clock.now() - this.#lookedAtMs > WATCHED_MS) return this.stop();
      this.#sample();
      cancel = clock.after(SAMPLE_MS, next);
    };
    next();
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
  }

  /** Oldest first. */
  points(id: SandboxId): readonly UsagePoint[] {
    return this.#meters.get(id)?.points ?? [];
  }

  #sample(): void {
    const { clock, host, sessions } = this.#options;
    const now = clock.now();
    const present = sessions();
    const seconds = (now - this.#atMs) / 1000;
    let execs = 0;
    for (const session of present) {
      const sandbox = session.runningSandbox;
      execs += sandbox?.execs.runningCount ?? 0;
      const usage = sandbox?.usage() ?? null;
      const meter = this.#meterOf(session.id);
      const { cpuMs } = meter;
      const used = usage?.cpuMs ?? null;
      const cpus = used === null || cpuMs === null || seconds <= 0 || used < cpuMs ? null : (used - cpuMs) / 1000 / seconds;
      meter.cpuMs = used;
      meter.points.push([now, cpus, usage?.memoryBytes ?? null, usage?.pids ?? null, meter.diskBytes]);
      if (meter.points.length > MAX_POINTS) meter.points.shift();
    }
    this.#forgetAllBut(present);
    this.host = host.read(now);
    this.history.push({
      ...this.#rates.take(),
      atMs: now,
      cpuBusy: this.host.cpuBusy,
      memoryUsedBytes: this.host.memoryUsedBytes,
      sandboxes: present.length,
      execs,
    });
    if (this.history.length > MAX_POINTS) this.history.shift();
    this.#atMs = now;
    if (this.#count % DISK_EVERY === 0) void this.#readDisks(present);
    this.#count += 1;
  }

  #meterOf(id: SandboxId): Meter {
    const known = this.#meters.get(id);
    if (known !== undefined) return known;
    const meter: Meter = { points: [], cpuMs: null, diskBytes: null };
    this.#meters.set(id, meter);
    return meter;
  }

  #forgetAllBut(present: readonly Session[]): void {
    if (this.#meters.size === present.length) return;
    const ids = new Set(present.map(({ id }) => id));
    for (const id of this.#meters.keys()) if (!ids.has(id)) this.#meters.delete(id);
  }

  /** One after the other, and never two rounds at once. */
  async #readDisks(present: readonly Session[]): Promise<void> {
    if (this.#isReadingDisks) return;
    this.#isReadingDisks = true;
    const { disk, workspaceBytes } = this.#options;
    try {
      this.disk = await disk();
      for (const session of present) {
        const bytes = await workspaceBytes(session).catch(() => null);
        const meter = this.#meters.get(session.id);
        if (meter !== undefined) meter.diskBytes = bytes;
      }
    } finally {
      this.#isReadingDisks = false;
    }
  }
}
