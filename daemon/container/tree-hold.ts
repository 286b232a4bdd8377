// Stops processes of a sandbox from the host. A fork bomb in its CPU quota leaves PID 1 waiting for seconds among hundreds
// of processes: stopped, they leave it the time to end them. Only ever stops; how a command ends is for PID 1 alone.

import { readFileSync, writeFileSync } from 'node:fs';
import { kill } from 'node:process';
import type { CgroupFiles } from './cgroup-files.ts';

const LARGE_TREE = 8;
/** Part of the process limit that is in use when a command waits for room. */
const NEARLY_FULL = 0.9;

export class TreeHold {
  readonly #files: CgroupFiles;
  readonly #initPid: number;
  /** Process -> its oom_score_adj, while something is held. */
  readonly #scores = new Map<number, number>();
  readonly #held = new Set<number>();

  constructor(files: CgroupFiles, initPid: number) {
    this.#files = files;
    this.#initPid = initPid;
  }

  /** Stops every process with this oom_score_adj; null: those of the largest tree, if the process limit is nearly reached. */
  hold(score: number | null): void {
    const processes = this.#processes();
    for (const pid of processes) if (!this.#scores.has(pid)) this.#scores.set(pid, scoreOf(pid));
    const chosen = score ?? this.#largest(processes);
    for (const pid of processes) {
      if (this.#scores.get(pid) !== chosen || (!this.#held.has(pid) && !this.#mayHold(pid))) continue;
      signal(pid, 'SIGSTOP');
      this.#held.add(pid);
    }
    this.#relieve();
  }

  /** What was stopped and is still there goes on. */
  release(): void {
    const processes = new Set(this.#held.size === 0 ? [] : this.#processes());
    for (const pid of this.#held) if (processes.has(pid)) signal(pid, 'SIGCONT');
    this.#held.clear();
    this.#scores.clear();
  }

  #processes(): number[] {
    return lines(this.#files.processes).map(Number);
  }

  /** Children of PID 1 are its own: a supervisor that is stopped is taken for lost. What is stopped already stays its owner's. */
  #mayHold(pid: number): boolean {
    const [state, parent] = (/\) (\S) (\d+) [^)]*$/.exec(read(`/proc/${pid}/stat`)) ?? []).slice(1);
    return pid !== this.#initPid && parent !== undefined && Number(parent) !== this.#initPid && state !== 'T' && state !== 'Z';
  }

  #largest(processes: readonly number[]): number | undefined {
    const limit = Number(read(this.#files.pidsMax));
    if (!(Number(read(this.#files.pidsCurrent)) >= limit * NEARLY_FULL)) return undefined;
    const own = scoreOf(this.#initPid);
    const sizes = new Map<number, number>();
    for (const pid of processes) {
      const score = this.#scores.get(pid) ?? own;
      if (score !== own) sizes.set(score, (sizes.get(score) ?? 0) + 1);
    }
    return [...sizes].filter(([, size]) => size >= LARGE_TREE).toSorted(([, a], [, b]) => b - a)[0]?.[0];
  }

  /** Processes overdraw the quota inside the kernel, and PID 1 would pay for it with them. Not more than the quota itself is given. */
  #relieve(): void {
    const { cpuQuota } = this.#files;
    const quota = read(cpuQuota);
    try {
      if (cpuQuota !== null && quota !== '') writeFileSync(cpuQuota, quota);
    } catch {
      // The cgroup is gone, and with it whom it would help.
    }
  }
}

const scoreOf = (pid: number): number => Number(read(`/proc/${pid}/oom_score_adj`) || Number.NaN);

const lines = (path: string | null): string[] =>
  read(path)
    .split('\n')
    .filter((line) => line !== '');

function read(path: string | null): string {
  try {
    return path === null ? '' : readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    kill(pid, name);
  } catch {
    // It has ended.
  }
}
