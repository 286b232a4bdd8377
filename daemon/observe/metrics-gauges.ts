// The figures that are looked up when somebody asks: what lives now, how full the disks are, whether the engine answers. What
// they are read from is passed in.

import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { ownUsage } from './own-usage.ts';

const STATES = ['starting', 'running', 'paused', 'closing', 'failed'] as const;
/** An engine that takes longer does not answer, as far as an alarm is concerned. */
const PING_LIMIT_MS = 2000;

export interface GaugeSources {
  readonly registry: Registry;
  readonly version: string;
  readonly sandboxes: () => Iterable<{ readonly state: string; readonly tenant: string; readonly execs: number }>;
  readonly tenantLabel: (tenant: string) => string;
  readonly maxSandboxes: number;
  /** Containers that are created at once; what starts beyond them waits. */
  readonly creating: number;
  readonly spares: () => { readonly free: number; readonly wanted: number };
  readonly confirmations: () => number;
  readonly connections: () => number;
  /** Lives of the egress process after its first. */
  readonly egressRestarts: () => number;
  readonly pingEngine: () => Promise<void>;
  /** What a disk is called -> a path on it. */
  readonly disks: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export function addGauges(sources: GaugeSources): void {
  const { registry, maxSandboxes, creating, clock } = sources;
  const gauge = (name: string, help: string, labelNames: readonly string[], collect: (gauge: Gauge) => void | Promise<void>): void => {
    const made: Gauge = new Gauge({ name, help, labelNames: [...labelNames], registers: [registry], collect: () => collect(made) });
  };
  const figure = (name: string, help: string, read: () => number): void => gauge(name, help, [], (made) => made.set(read()));
  const counted = (name: string, help: string, read: () => number): void => {
    const made: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect: () => {
        made.reset();
        made.inc(read());
      },
    });
  };
  const countOf = (state: string): number => [...sources.sandboxes()].filter((sandbox) => sandbox.state === state).length;

  gauge('cloister_build_info', 'Version of the daemon', ['version'], (made) => made.set({ version: sources.version }, 1));
  gauge('cloister_sandboxes', 'Sandboxes of sessions by state', ['state'], (made) => {
    for (const state of STATES) made.set({ state }, countOf(state));
  });
  gauge('cloister_tenant_sandboxes', 'Sandboxes by tenant', ['tenant'], (made) => {
    made.reset();
    for (const { tenant } of sources.sandboxes()) made.inc({ tenant: sources.tenantLabel(tenant) });
  });
  figure('cloister_sandboxes_max', 'Sessions there may be at once', () => maxSandboxes);
  figure('cloister_opens_waiting', 'Sandboxes that wait for their turn to be created', () => Math.max(0, countOf('starting') - creating));
  figure('cloister_execs_running', 'Commands that run', () => [...sources.sandboxes()].reduce((sum, { execs }) => sum + execs, 0));
  figure('cloister_spares', 'Started sandboxes that wait for a session', () => sources.spares().free);
  figure('cloister_spares_wanted', 'Spares the configuration asks for', () => sources.spares().wanted);
  figure('cloister_confirmations_waiting', 'Questions to people that wait for an answer', sources.confirmations);
  figure('cloister_connections', 'Connections of clients', sources.connections);
  counted('cloister_egress_restarts_total', 'Times the egress process was started again', sources.egressRestarts);
  gauge('cloister_engine_up', 'Whether the container engine answers', [], async (made) =>
    made.set((await answersInTime(sources.pingEngine, clock)) ? 1 : 0),
  );
  addDisks(sources, gauge);
  counted('process_cpu_seconds_total', 'Processor time of the daemon', () => ownUsage().cpuSeconds);
  figure('process_resident_memory_bytes', 'Memory of the daemon', () => ownUsage().residentBytes);
}

function addDisks(
  { disks }: GaugeSources,
  gauge: (name: string, help: string, labelNames: readonly string[], collect: (gauge: Gauge) => Promise<void>) => void,
): void {
  const each = (name: string, help: string, read: (stats: StatsFs) => number): void =>
    gauge(name, help, ['disk'], async (made) => {
      for (const [disk, path] of Object.entries(disks)) {
        const stats = await statfs(path).catch(() => null);
        if (stats === null) made.remove({ disk });
        else made.set({ disk }, read(stats));
      }
    });
  each('cloister_disk_size_bytes', 'Size of the file system', ({ blocks, bsize }) => blocks * bsize);
  each('cloister_disk_free_bytes', 'What is free of it', ({ bavail, bsize }) => bavail * bsize);
}

async function answersInTime(ping: () => Promise<void>, clock: Clock): Promise<boolean> {
  let cancel: () => void = () => undefined;
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(PING_LIMIT_MS, () => resolve(false));
  });
  const answered = ping().then(
    () => true,
    () => false,
  );
  return Promise.race([answered, late]).finally(() => cancel());
}
