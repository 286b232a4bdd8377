// What the host and the daemon's own process use, from /proc. Owns nothing but the counts it last saw.

import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';

export interface HostUsage {
  readonly cpus: number;
  /** Of all processors, 0 to 1, since the last reading; null: not known yet. */
  readonly cpuBusy: number | null;
  readonly load1: number;
  readonly memoryBytes: number;
  readonly memoryUsedBytes: number;
  readonly uptimeS: number;
  /** Of the daemon alone, in processors; null: not known yet. */
  readonly daemonCpus: number | null;
  readonly daemonMemoryBytes: number;
}

export interface DiskUsage {
  readonly totalBytes: number;
  readonly usedBytes: number;
}

/** Ticks of /proc in a second, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

interface Counts {
  readonly atMs: number;
  readonly busy: number;
  readonly total: number;
  readonly own: number;
}

export class HostReader {
  readonly #proc: string;
  #before: Counts | null = null;

  constructor(proc = '/proc') {
    this.#proc = proc;
  }

  read(nowMs: number): HostUsage {
    const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = this.#numbers('stat').slice(0, 8);
    const busy = user + nice + system + irq + soft + steal;
    // Behind the name in brackets, which may hold anything: user and system time are fields 14 and 15 of the line.
    const own = this.#text('self/stat').split(') ').at(-1)?.split(' ') ?? [];
    const counts: Counts = { atMs: nowMs, busy, total: busy + idle + wait, own: Number(own[11] ?? 0) + Number(own[12] ?? 0) };
    const before = this.#before;
    this.#before = counts;
    const ticks = before === null ? 0 : counts.total - before.total;
    const seconds = before === null ? 0 : (nowMs - before.atMs) / 1000;
    const memory = this.#text('meminfo');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(memory)?.[1] ?? 0) * 1024;
    return {
      cpus: availableParallelism(),
      cpuBusy: before === null || ticks <= 0 ? null : (counts.busy - before.busy) / ticks,
      load1: Number(this.#text('loadavg').split(' ')[0] ?? 0),
      memoryBytes: kib('MemTotal'),
      memoryUsedBytes: kib('MemTotal') - kib('MemAvailable'),
      uptimeS: Number(this.#text('uptime').split(' ')[0] ?? 0),
      daemonCpus: before === null || seconds <= 0 ? null : (counts.own - before.own) / TICKS_PER_SECOND / seconds,
      daemonMemoryBytes: Number(this.#text('self/statm').split(' ')[1] ?? 0) * PAGE_BYTES,
    };
  }

  #numbers(name: string): number[] {
    return (/^cpu +(.*)$/m.exec(this.#text(name))?.[1] ?? '').split(' ').map(Number);
  }

  #text(name: string): string {
    try {
      return readFileSync(`${this.#proc}/${name}`, 'latin1');
    } catch {
      return '';
    }
  }
}

/** Of the file system that a path lies on; null: it can't be told. */
export async function diskUsage(path: string): Promise<DiskUsage | null> {
  const space = await statfs(path).catch(() => null);
  if (space === null) return null;
  return { totalBytes: space.blocks * space.bsize, usedBytes: (space.blocks - space.bavail) * space.bsize };
}
