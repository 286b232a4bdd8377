// The processes of a sandbox's commands as trees, each known by its oom_score_adj. Owns which command has which, what the
// kernel said before it started, and the help for PID 1.

import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { ExecKernel } from './exec-kernel.ts';
import type { Execution } from './execution.ts';
import { OomScores, SHARED_OOM_SCORE } from './oom-scores.ts';
import { Rescue } from './rescue.ts';
import { Witness } from './witness.ts';

/** A command that has not started by then waits for room, or PID 1 for its turn. */
const START_MS = 150;

export interface TreesOptions {
  /** Null until the container runs, and where there is none. */
  readonly kernel: () => ExecKernel | null;
  readonly link: SandboxLink;
  readonly clock: Clock;
}

/** As it stands in the journal. */
export interface TreeStart {
  readonly oomScore?: number | undefined;
  readonly oomKills: number | null;
  readonly forksRefused?: number | null | undefined;
}

export class Trees {
  readonly #options: TreesOptions;
  readonly #scores = new OomScores();
  readonly #rescue: Rescue;

  constructor(options: TreesOptions) {
    this.#options = options;
    this.#rescue = new Rescue(options);
  }

  /** Before a command starts. */
  begin(number: number): Required<TreeStart> {
    const counts = this.#options.kernel()?.counts();
    return {
      oomScore: this.#scores.take(number),
      oomKills: counts?.oomKills ?? null,
      forksRefused: counts?.forksRefused ?? null,
    };
  }

  /** `isNew`: the kernel's log has nothing of it yet; of an earlier daemon's command nobody knows where it begins. */
  witness({ oomScore = SHARED_OOM_SCORE, oomKills, forksRefused = null }: TreeStart, isNew: boolean): Witness {
    const kernel = this.#options.kernel();
    const mark = isNew ? (kernel?.mark(oomKills) ?? null) : null;
    return new Witness({ kernel: this.#options.kernel, clock: this.#options.clock, oomScore, oomKills, forksRefused, mark });
  }

  /** Of a command that an earlier daemon started. */
  adopt(execution: Execution): void {
    this.#scores.hold(execution.witness.oomScore, execution.number);
  }

  /** It runs now, beside the others. */
  entered(execution: Execution, running: ReadonlySet<Execution>): void {
    if (running.size === 0 && this.#scores.size <= 1) return;
    for (const each of [execution, ...running]) each.witness.hasCompany = true;
  }

  started(execution: Execution, { wallMs, graceMs }: { readonly wallMs: number; readonly graceMs: number }): void {
    const { number, witness } = execution;
    this.#rescue.expect(-number, [START_MS], null, () => execution.hasStarted || execution.state === 'ended');
    if (wallMs > 0) this.#rescue.expect(number, [wallMs, graceMs], witness.oomScore, () => execution.state === 'ended');
  }

  /** It was asked to end; its tree shall be dead in `graceMs`. */
  expectEnd(execution: Execution, graceMs: number): void {
    const { number, witness } = execution;
    this.#rescue.expect(number, [0, graceMs], witness.oomScore, () => execution.state === 'ended');
  }

  ended({ number }: Execution): void {
    this.#rescue.forget(number);
    this.#rescue.forget(-number);
  }

  /** No process of it is left, or nobody will ask for it again. */
  gone(execution: Execution): void {
    this.#scores.release(execution.witness.oomScore, execution.number);
  }

  close(): void {
    this.#rescue.close();
  }
}
