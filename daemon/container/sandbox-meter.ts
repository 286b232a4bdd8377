// What one container uses right now, from its cgroup files: opened once, read again and again. Owns the open files.

import { closeSync, openSync, readSync } from 'node:fs';

/** What a sandbox uses; null: the kernel keeps no such figure where we can see it. */
export interface SandboxUsage {
  /** Processor time since its start, in milliseconds. */
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
  /** Processes and threads. */
  readonly pids: number | null;
}

const ROOT = '/sys/fs/cgroup';
const MAX_BYTES = 512;

export class SandboxMeter {
  readonly #buffer = Buffer.alloc(MAX_BYTES);
  readonly #cpu: number | null;
  readonly #memory: number | null;
  readonly #pids: number | null;

  /** From the text of the container's /proc/PID/cgroup. */
  constructor(cgroupText: string, root = ROOT) {
    this.#cpu = open(fileOf(cgroupText, root, 'cpuacct', 'cpuacct.usage', 'cpu.stat'));
    this.#memory = open(fileOf(cgroupText, root, 'memory', 'memory.usage_in_bytes', 'memory.current'));
    this.#pids = open(fileOf(cgroupText, root, 'pids', 'pids.current', 'pids.current'));
  }

  read(): SandboxUsage {
    const cpu = this.#text(this.#cpu);
    const isUnified = cpu?.startsWith('usage_usec') === true;
    const cpuCount = count(cpu?.split('\n')[0]?.replace('usage_usec ', ''));
    return {
      cpuMs: cpuCount === null ? null : cpuCount / (isUnified ? 1e3 : 1e6),
      memoryBytes: count(this.#text(this.#memory)),
      pids: count(this.#text(this.#pids)),
    };
  }

  close(): void {
    for (const fd of [this.#cpu, this.#memory, this.#pids]) if (fd !== null) closeSync(fd);
  }

  #text(fd: number | null): string | null {
    if (fd === null) return null;
    try {
      return this.#buffer.toString('latin1', 0, readSync(fd, this.#buffer, 0, MAX_BYTES, 0));
    } catch {
      // The cgroup is gone.
      return null;
    }
  }
}

const count = (text: string | null | undefined): number | null => (/^\d{1,19}\s*$/.test(text ?? '') ? Number(text) : null);

function open(path: string | null): number | null {
  try {
    return path === null ? null : openSync(path, 'r');
  } catch {
    return null;
  }
}

function fileOf(text: string, root: string, controller: string, v1: string, v2: string): string | null {
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]+):(\/.*)$/.exec(line) ?? [];
    if (path !== undefined && controllers?.split(',').includes(controller) === true) return `${root}/${controller}${path}/${v1}`;
  }
  const unified = /^0::(\/.*)$/m.exec(text)?.[1];
  return unified === undefined ? null : `${root}${unified}/${v2}`;
}
