// Which cgroup controllers this host offers to a container engine. The decision is a pure function of two files.
import { readFile } from 'node:fs/promises';

const REQUIRED_V1 = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'devices', 'freezer'] as const;
const REQUIRED_V2 = ['cpu', 'memory', 'pids'] as const;

export interface CgroupFacts {
  /** Text of /proc/self/mounts. */
  readonly mounts: string;
  /** Text of /sys/fs/cgroup/cgroup.controllers, null where the root is not cgroup2. */
  readonly unifiedControllers: string | null;
}

/** Controllers that are needed and not there; empty when the host is fit. */
export function missingControllers(facts: CgroupFacts): readonly string[] {
  if (facts.unifiedControllers !== null) {
    const offered = new Set(facts.unifiedControllers.trim().split(/\s+/));
    return REQUIRED_V2.filter((name) => !offered.has(name));
  }
  const mounted = new Set<string>();
  for (const line of facts.mounts.split('\n')) {
    const [, , type, options = ''] = line.split(' ');
    if (type === 'cgroup') for (const option of options.split(',')) mounted.add(option);
  }
  return REQUIRED_V1.filter((name) => !mounted.has(name));
}

export async function readCgroupFacts(): Promise<CgroupFacts> {
  const [mounts, unifiedControllers] = await Promise.all([
    readFile('/proc/self/mounts', 'utf8'),
    readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => null),
  ]);
  return { mounts, unifiedControllers };
}
