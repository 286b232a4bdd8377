// Runs the steps of the set-up one after the other: times them, keeps their reports, shows that a long one lives,
// and gives every failure its step, cause and remedy.
import { SandboxError } from '../../client/protocol/errors.ts';
import { SetupError, type StepName } from './setup-error.ts';

const TICK_MS = 10_000;

export interface StepReport {
  readonly name: StepName;
  /** Whether anything was changed. */
  readonly did: boolean;
  readonly ms: number;
  readonly detail: string;
}

interface StepResult<T> {
  readonly did: boolean;
  readonly detail: string;
  readonly value?: T;
}

export class StepRunner {
  readonly reports: StepReport[] = [];
  readonly #onProgress: (line: string) => void;
  #lastLineAt = 0;

  constructor(onProgress: (line: string) => void) {
    this.#onProgress = onProgress;
  }

  /** Shows a line of progress, which also says that the step lives. */
  readonly progress = (line: string): void => {
    this.#lastLineAt = performance.now();
    this.#onProgress(line);
  };

  run<T>(name: StepName, work: () => Promise<StepResult<T> & { readonly value: T }>): Promise<T>;
  run(name: StepName, work: () => Promise<StepResult<never>>): Promise<undefined>;
  async run<T>(name: StepName, work: () => Promise<StepResult<T>>): Promise<T | undefined> {
    const startedAt = performance.now();
    const elapsed = (): number => Math.round(performance.now() - startedAt);
    this.#lastLineAt = startedAt;
    const tick = (): void => {
      if (performance.now() - this.#lastLineAt >= TICK_MS) this.progress(`${name}: still at it (${Math.round(elapsed() / 1000)} s)`);
    };
    const ticker = setInterval(tick, TICK_MS / 2);
    try {
      const result = await work();
      const report = { name, did: result.did, ms: elapsed(), detail: result.detail };
      this.reports.push(report);
      this.progress(`${name}: ${result.detail}${result.did ? ` (${(report.ms / 1000).toFixed(1)} s)` : ''}`);
      return result.value;
    } catch (error) {
      throw asSetupError(name, error);
    } finally {
      clearInterval(ticker);
    }
  }
}

function asSetupError(step: StepName, error: unknown): unknown {
  if (error instanceof SetupError || (error instanceof Error && error.name === 'AbortError')) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (SandboxError.is(error)) return new SetupError(step, reason, error.hint, error);
  const isFull = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
  return new SetupError(
    step,
    reason,
    isFull
      ? 'The disk is full: free some space, or choose another place for state and cache.'
      : 'Correct the cause and run the set-up again; it goes on where it stopped.',
    error,
  );
}
