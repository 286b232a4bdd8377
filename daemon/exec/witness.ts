// What the kernel has to say about one command: whether memory or processes ran out while it ran, and whether the
// process it killed was the command's. Owns the comparison of before and after; the outcome is computed elsewhere.

import type { Clock } from '../observe/clock.ts';
import type { ExecKernel } from './exec-kernel.ts';
import { SHARED_OOM_SCORE } from './oom-scores.ts';

/** The kernel counts a kill, kills, and then writes it down: the record may come a moment after the command's end. */
const RECORD_WAIT_MS = 20;
const RECORD_WAITS = 10;

export interface KernelFacts {
  /** The oom_kill counter rose while it ran; `isAttributed`: and a process of its own tree was the victim. */
  readonly oom: { readonly rose: boolean; readonly isAttributed: boolean };
  /** A fork in the sandbox was refused while it ran. */
  readonly forksRefused: boolean;
}

export interface WitnessOptions {
  readonly kernel: () => ExecKernel | null;
  readonly clock: Clock;
  /** Of its processes. */
  readonly oomScore: number;
  /** Before it started; null: not known. */
  readonly oomKills: number | null;
  readonly forksRefused: number | null;
  /** Of the kernel's log before it started; null: not known. */
  readonly mark: number | null;
}

export class Witness {
  /** Processes of another command were there at some point while it ran. */
  hasCompany = false;
  readonly #options: WitnessOptions;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  get oomScore(): number {
    return this.#options.oomScore;
  }

  /** At once unless it depends on the log. `isOomLike`: it ended as a command does whose process was killed for memory. */
  testify(isOomLike: boolean): KernelFacts | Promise<KernelFacts> {
    const { oomKills, forksRefused, mark } = this.#options;
    const kernel = this.#options.kernel();
    const now = kernel?.counts();
    const kills = rise(oomKills, now?.oomKills ?? null);
    const facts = (isAttributed: boolean): KernelFacts => ({
      oom: { rose: kills > 0, isAttributed },
      forksRefused: rise(forksRefused, now?.forksRefused ?? null) > 0,
    });
    // Alone, it needs no record: nobody else's process can have been the victim.
    if (kernel === null || kills === 0 || !isOomLike || !this.hasCompany) return facts(!this.hasCompany);
    return mark === null ? facts(false) : this.#isVictim(kernel, mark, kills).then(facts);
  }

  async #isVictim(kernel: ExecKernel, mark: number, kills: number): Promise<boolean> {
    const { clock, oomScore } = this.#options;
    if (oomScore === SHARED_OOM_SCORE) return false;
    for (let waits = 0; ; waits += 1) {
      const victims = kernel.victims(mark, kills);
      if (victims.includes(oomScore)) return true;
      if (victims.length >= kills || waits === RECORD_WAITS) return false;
      await new Promise<void>((resolve) => clock.after(RECORD_WAIT_MS, resolve));
    }
  }
}

const rise = (before: number | null, after: number | null): number => (before === null || after === null ? 0 : Math.max(0, after - before));
