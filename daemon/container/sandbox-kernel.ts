// The host's side of one container: what the kernel counts and records of it, and a hand for its PID 1.
// Owns its open files; what the figures mean for a command is the witness's business.

import { readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { CgroupCounter } from './cgroup-counter.ts';
import { cgroupFiles } from './cgroup-files.ts';
import type { ContainerDriver } from './driver.ts';
import type { KernelLog } from './kernel-log.ts';
import { SandboxMeter, type SandboxUsage } from './sandbox-meter.ts';
import { TreeHold } from './tree-hold.ts';

export interface KernelCounts {
  /** Processes killed for memory so far; null: not known. */
  readonly oomKills: number | null;
  /** Forks that the process limit refused so far. */
  readonly forksRefused: number | null;
}

export interface SandboxKernelOptions {
  readonly driver: ContainerDriver;
  readonly containerId: string;
  readonly uid: number;
  readonly log: KernelLog | null;
}

export class SandboxKernel {
  readonly #options: SandboxKernelOptions;
  readonly #oom: CgroupCounter | null;
  readonly #pids: CgroupCounter | null;
  readonly #hold: TreeHold;
  readonly #cgroupText: string;
  /** Opened when somebody first looks. */
  #meter: SandboxMeter | null = null;
  /** The count up to which the log has been read. */
  #killsRead = 0;

  private constructor(options: SandboxKernelOptions, pid: number) {
    this.#cgroupText = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    const files = cgroupFiles(this.#cgroupText);
    this.#options = options;
    this.#oom = CgroupCounter.open(files.memoryEvents, 'oom_kill');
    this.#pids = CgroupCounter.open(files.pidsEvents, 'max');
    this.#hold = new TreeHold(files, pid);
  }

  static async open(options: SandboxKernelOptions): Promise<SandboxKernel> {
    const { State } = await options.driver.inspect(options.containerId);
    const kernel = new SandboxKernel(options, State.Pid);
    try {
      // Safe because: it is only among the processes of the sandbox that PID 1 comes first; the quota holds for all together.
      // Not the process that a runtime with a kernel of its own shows instead: all of the tenant's code runs in it.
      if (/^NSpid:.*\s1$/m.test(readFileSync(`/proc/${State.Pid}/status`, 'utf8')))
        setPriority(State.Pid, constants.priority.PRIORITY_HIGHEST);
    } catch {
      // Without the right to, PID 1 is one among many: slower under a fork bomb, and as true.
    }
    return kernel;
  }

  counts(): KernelCounts {
    return { oomKills: this.#oom?.read() ?? null, forksRefused: this.#pids?.read() ?? null };
  }

  usage(): SandboxUsage {
    this.#meter ??= new SandboxMeter(this.#cgroupText);
    return this.#meter.read();
  }

  /** The end of the log as far as it concerns this sandbox; null: there is no log. */
  mark(oomKills: number | null): number | null {
    const { log } = this.#options;
    if (log === null) return null;
    // Every kill counts before it is logged, so what the log holds beyond this is of later commands.
    if (oomKills !== this.#killsRead) log.read();
    this.#killsRead = oomKills ?? 0;
    return log.sequence;
  }

  /** oom_score_adj of each process of this sandbox that the log says was killed since `mark`; `kills`: as many as the kernel counted. */
  victims(mark: number, kills: number): readonly number[] {
    const { log, containerId, uid } = this.#options;
    if (log === null) return [];
    log.read();
    const records = log.killsAfter(mark).filter((kill) => (kill.cgroup === null ? kill.uid === uid : kill.cgroup.includes(containerId)));
    // A fork of a workspace shares its uid: a record that names no cgroup may be of the other one's.
    return records.filter((kill) => kill.cgroup !== null || records.length <= kills).map((kill) => kill.oomScoreAdj);
  }

  hold(score: number | null): void {
    this.#hold.hold(score);
  }

  release(): void {
    this.#hold.release();
  }

  close(): void {
    this.#oom?.close();
    this.#pids?.close();
    this.#meter?.close();
    this.#meter = null;
  }
}
