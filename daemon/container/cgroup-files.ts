// Where a container's cgroup files are, for cgroup v1, v2 and the hybrid layout. Pure.

export interface CgroupFiles {
  /** Holds the line `oom_kill N`. */
  readonly memoryEvents: string | null;
  /** Holds the line `max N`: forks that were refused. */
  readonly pidsEvents: string | null;
  readonly pidsCurrent: string | null;
  readonly pidsMax: string | null;
  readonly processes: string | null;
  /** Writing it what it holds gives the quota of a new period at once. */
  readonly cpuQuota: string | null;
}

const ROOT = '/sys/fs/cgroup';

/** From the text of /proc/PID/cgroup. */
export function cgroupFiles(text: string): CgroupFiles {
  const unified = /^0::(\/.*)$/m.exec(text)?.[1];
  const at = (controller: string, v1: string, v2: string): string | null => {
    for (const line of text.split('\n')) {
      const [, controllers, path] = /^\d+:([^:]+):(\/.*)$/.exec(line) ?? [];
      if (path !== undefined && controllers?.split(',').includes(controller) === true) return `${ROOT}/${controller}${path}/${v1}`;
    }
    return unified === undefined ? null : `${ROOT}${unified}/${v2}`;
  };
  return {
    memoryEvents: at('memory', 'memory.oom_control', 'memory.events'),
    pidsEvents: at('pids', 'pids.events', 'pids.events'),
    pidsCurrent: at('pids', 'pids.current', 'pids.current'),
    pidsMax: at('pids', 'pids.max', 'pids.max'),
    processes: at('pids', 'cgroup.procs', 'cgroup.procs'),
    cpuQuota: at('cpu', 'cpu.cfs_quota_us', 'cpu.max'),
  };
}
