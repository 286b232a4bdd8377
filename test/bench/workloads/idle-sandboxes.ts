// Sandboxes that do nothing: what each costs the host and the daemon. Opened once and measured three ways.

import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Stage } from '../harness/stage.ts';
import type { Effort, Workload } from '../harness/workload.ts';

const SANDBOXES = 300;
const QUICK_SANDBOXES = 20;
const AT_ONCE = 4;
const SETTLE_MS = 5000;
const WATCH_MS = 20_000;
const QUICK_WATCH_MS = 5000;
const MIB = 1024 ** 2;

interface Cost {
  /** Of the host for each, its shim included. */
  readonly hostMib: number;
  /** Resident memory of the daemon for each. */
  readonly daemonMib: number;
  /** Percent of one processor that the daemon uses for all of them together. */
  readonly cpuPercent: number;
}

/** The three share one measurement. */
export function idleSandboxes(): readonly Workload[] {
  let measured: Promise<Cost> | null = null;
  const workload = (name: string, unit: Workload['unit'], what: string, pick: (cost: Cost) => number): Workload => ({
    name,
    unit,
    what,
    run: async (stage, effort) => {
      measured ??= measure(stage, effort);
      return [{ name: 'cloister', values: [pick(await measured)] }];
    },
  });
  const many = `${SANDBOXES} idle sandboxes (${QUICK_SANDBOXES} in a quick run)`;
  return [
    workload('idle memory', 'MiB', `memory of the host for each of ${many}`, ({ hostMib }) => hostMib),
    workload('idle daemon memory', 'MiB', `resident memory of the daemon for each of ${many}`, ({ daemonMib }) => daemonMib),
    workload('idle cpu', '%', `processor time of the daemon while there are ${many}`, ({ cpuPercent }) => cpuPercent),
  ];
}

async function measure({ open, daemon }: Stage, { isQuick }: Effort): Promise<Cost> {
  const count = isQuick ? QUICK_SANDBOXES : SANDBOXES;
  const watchMs = isQuick ? QUICK_WATCH_MS : WATCH_MS;
  // What the first ones load for good is not what each further one costs.
  const sandboxes = await Promise.all(Array.from({ length: AT_ONCE }, () => open()));
  await setTimeout(SETTLE_MS + watchMs);
  const before = { host: await usedBytes(), daemon: await daemon.residentBytes() };
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    sandboxes.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - opened) }, () => open()))));
  }
  await setTimeout(SETTLE_MS);
  const [startedAt, cpuBefore] = [performance.now(), await daemon.cpuSeconds()];
  await setTimeout(watchMs);
  const cpuPercent = (((await daemon.cpuSeconds()) - cpuBefore) / ((performance.now() - startedAt) / 1000)) * 100;
  // As long after the opening as before: what that left to the collector is gone in both.
  const after = { host: await usedBytes(), daemon: await daemon.residentBytes() };
  while (sandboxes.length > 0) await Promise.all(sandboxes.splice(0, AT_ONCE).map((sandbox) => sandbox.close()));
  return { hostMib: (after.host - before.host) / MIB / count, daemonMib: (after.daemon - before.daemon) / MIB / count, cpuPercent };
}

/** Memory that is not there for others any more. */
async function usedBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return (kib('MemTotal') - kib('MemAvailable')) * 1024;
}
