// The limits that a container's cgroup holds, for cgroup v1, v2 and the hybrid layout. Reads only.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupLimits {
  readonly version: 1 | 2;
  /** Infinity where unlimited. */
  readonly memoryBytes: number;
  /** Swap on top of memory; undefined where the kernel does not account it. */
  readonly swapBytes: number | undefined;
  /** Whether the host could swap at all. */
  readonly hostHasSwap: boolean;
  readonly pids: number;
  /** Processors, quota over period. */
  readonly cpus: number;
}

export interface CgroupReadOptions {
  /** Text of the process's /proc/PID/cgroup. */
  readonly cgroupText: string;
  readonly cgroupRoot: string;
  readonly procRoot: string;
}

/** v1 writes "no limit" as the largest number of whole pages. */
const V1_UNLIMITED = 2 ** 62;

export async function readCgroupLimits(options: CgroupReadOptions): Promise<CgroupLimits> {
  const { cgroupRoot } = options;
  const isUnified = existsSync(join(cgroupRoot, 'cgroup.controllers'));
  const swaps = await readText(join(options.procRoot, 'swaps')).catch(() => '');
  const hostHasSwap = swaps.trim().split('\n').length > 1;
  return { ...(isUnified ? await readUnified(options) : await readSplit(options)), hostHasSwap };
}

/** At once: see kernel-view.ts. */
const readText = async (path: string): Promise<string> => readFileSync(path, 'utf8');

type Limits = Omit<CgroupLimits, 'hostHasSwap'>;

async function readUnified({ cgroupText, cgroupRoot }: CgroupReadOptions): Promise<Limits> {
  const directory = join(cgroupRoot, pathOf(cgroupText, ''));
  const [memory, swap, pids, cpu] = await Promise.all([
    readText(join(directory, 'memory.max')),
    readText(join(directory, 'memory.swap.max')).catch(() => undefined),
    readText(join(directory, 'pids.max')),
    readText(join(directory, 'cpu.max')),
  ]);
  const [quota, period] = cpu.trim().split(' ');
  return {
    version: 2,
    memoryBytes: limit(memory),
    swapBytes: swap === undefined ? undefined : limit(swap),
    pids: limit(pids),
    cpus: limit(quota ?? '') / Number(period),
  };
}

async function readSplit({ cgroupText, cgroupRoot }: CgroupReadOptions): Promise<Limits> {
  // Async, so that a missing controller rejects its own reading and leaves no other one unobserved.
  const read = async (controller: string, file: string): Promise<string> =>
    await readText(join(cgroupRoot, controller, pathOf(cgroupText, controller), file));
  const [memoryText, withSwap, pids, quota, period] = await Promise.all([
    read('memory', 'memory.limit_in_bytes'),
    read('memory', 'memory.memsw.limit_in_bytes').catch(() => undefined),
    read('pids', 'pids.max'),
    read('cpu', 'cpu.cfs_quota_us'),
    read('cpu', 'cpu.cfs_period_us'),
  ]);
  const memoryBytes = limit(memoryText);
  // Counted together: Infinity minus a limit stays Infinity, which is what it means.
  const swapBytes = withSwap === undefined ? undefined : limit(withSwap) - memoryBytes;
  return {
    version: 1,
    memoryBytes,
    swapBytes,
    pids: limit(pids),
    cpus: limit(quota) / Number(period),
  };
}

/** The process's path in the hierarchy of a controller; the unified hierarchy has none. */
function pathOf(cgroupText: string, controller: string): string {
  for (const line of cgroupText.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined || !controllers.split(',').includes(controller)) continue;
    if (path.split('/').includes('..')) throw new Error('the cgroup lies outside of what the daemon sees');
    return path;
  }
  throw new Error(`no cgroup for ${controller || 'the unified hierarchy'}`);
}

function limit(text: string): number {
  const word = text.trim();
  if (word === 'max' || word === '-1') return Number.POSITIVE_INFINITY;
  const value = word === '' ? Number.NaN : Number(word);
  return value >= V1_UNLIMITED ? Number.POSITIVE_INFINITY : value;
}
