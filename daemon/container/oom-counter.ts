// The kernel's count of processes killed for memory in one container's cgroup. Reads it cheaply, once per command.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { ContainerDriver } from './driver.ts';

const MAX_BYTES = 4096;

export class OomCounter {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** null: the kernel keeps no such counter where we can see it. */
  static async open(driver: ContainerDriver, containerId: string): Promise<OomCounter | null> {
    const { State } = await driver.inspect(containerId);
    const path = counterPath(readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8'));
    try {
      return path === null ? null : new OomCounter(openSync(path, 'r'));
    } catch {
      return null;
    }
  }

  /** null once the cgroup is gone. */
  read(): number | null {
    const buffer = Buffer.alloc(MAX_BYTES);
    try {
      const length = readSync(this.#fd, buffer, 0, MAX_BYTES, 0);
      const match = /^oom_kill (\d+)$/m.exec(buffer.toString('latin1', 0, length));
      return match === null ? null : Number(match[1]);
    } catch {
      return null;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** memory.oom_control of version 1, memory.events of version 2. */
function counterPath(cgroups: string): string | null {
  const v1 = /^\d+:[^:]*\bmemory\b[^:]*:(\/.*)$/m.exec(cgroups)?.[1];
  if (v1 !== undefined) return `/sys/fs/cgroup/memory${v1}/memory.oom_control`;
  const v2 = /^0::(\/.*)$/m.exec(cgroups)?.[1];
  return v2 === undefined ? null : `/sys/fs/cgroup${v2}/memory.events`;
}
