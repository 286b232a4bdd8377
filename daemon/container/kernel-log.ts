// What the kernel's log says about processes it killed for memory. One reader for the whole daemon, which reads only
// what is new. Knows nothing of commands.

import { closeSync, constants, openSync, readSync } from 'node:fs';

/** A record is at most 8 KiB. */
const RECORD_BYTES = 16 * 1024;
const MAX_READS = 50_000;
const MAX_KILLS = 256;
const MAX_VICTIMS = 64;
/** Records of programs carry another facility in the bits above the level. */
const KERNEL_LEVELS = 8;

export interface MemoryKill {
  readonly sequence: number;
  /** Null where the kernel left it out: that line is rate-limited, the kill's own is not. */
  readonly cgroup: string | null;
  readonly uid: number;
  readonly oomScoreAdj: number;
}

export class KernelLog {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(RECORD_BYTES);
  readonly #kills: MemoryKill[] = [];
  /** Process that will be killed -> its cgroup. */
  readonly #victims = new Map<number, string>();
  #sequence = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** null: there is none, or this process may not read it. */
  static open(path = '/dev/kmsg'): KernelLog | null {
    try {
      const log = new KernelLog(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
      log.read();
      return log;
    } catch {
      return null;
    }
  }

  /** Number of the last record that was read. */
  get sequence(): number {
    return this.#sequence;
  }

  killsAfter(sequence: number): readonly MemoryKill[] {
    return this.#kills.filter((kill) => kill.sequence > sequence);
  }

  /** Takes what is new. */
  read(): void {
    for (let reads = 0; reads < MAX_READS; reads += 1) {
      let length: number;
      try {
        length = readSync(this.#fd, this.#buffer);
      } catch (error) {
        // Records were overwritten before they were read: it goes on with the oldest there is.
        if ((error as NodeJS.ErrnoException).code === 'EPIPE') continue;
        return;
      }
      if (length === 0) return;
      this.take(this.#buffer.toString('latin1', 0, length));
    }
  }

  /** One record as /dev/kmsg gives it. Names of processes are the tenants', so every pattern is anchored on both sides. */
  take(record: string): void {
    const [, level, sequence, text = ''] = /^(\d+),(\d+),[^;\n]*;([^\n]*)/.exec(record) ?? [];
    if (level === undefined) return;
    this.#sequence = Number(sequence);
    if (Number(level) >= KERNEL_LEVELS) return;
    const [, cgroup, chosen] = /^oom-kill:[^;]*?,task_memcg=([^,]*),task=.*,pid=(\d+),uid=\d+$/.exec(text) ?? [];
    if (cgroup !== undefined) {
      if (this.#victims.size >= MAX_VICTIMS) this.#victims.clear();
      this.#victims.set(Number(chosen), cgroup);
      return;
    }
    const [, pid, uid, score] =
      /^[^:]*[Oo]ut of memory[^:]*: Killed process (\d+) \(.*\) total-vm:.*, UID:(\d+) pgtables:\d+kB oom_score_adj:(-?\d+)$/.exec(text) ??
      [];
    if (pid === undefined) return;
    const victim = Number(pid);
    this.#kills.push({
      sequence: this.#sequence,
      cgroup: this.#victims.get(victim) ?? null,
      uid: Number(uid),
      oomScoreAdj: Number(score),
    });
    this.#victims.delete(victim);
    if (this.#kills.length > MAX_KILLS) this.#kills.shift();
  }

  close(): void {
    closeSync(this.#fd);
  }
}
