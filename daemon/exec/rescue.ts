// Watches that what PID 1 has to do is done, and helps it from the host when it is not: a fork bomb in its CPU quota
// leaves PID 1 no time. Owns the timers; the help is the kernel's side, and the truth about an end stays PID 1's.

import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { ExecKernel } from './exec-kernel.ts';

/** PID 1 that answers within this is not hindered. */
const PATIENCE_MS = 50;
const CALM_MS = 250;
const MAX_LOOKS = 40;

export interface RescueOptions {
  /** Null: nothing can be done from the host. */
  readonly kernel: () => ExecKernel | null;
  readonly link: SandboxLink;
  readonly clock: Clock;
}

interface Watch {
  /** Whose processes to hold; null: those of the largest tree. */
  readonly score: number | null;
  readonly isOver: () => boolean;
  /** Milliseconds from one moment at which PID 1 has to act to the next. */
  readonly gapsMs: number[];
  looks: number;
  hasHeld: boolean;
  cancel: () => void;
}

export class Rescue {
  readonly #options: RescueOptions;
  /** By a key of the caller; at most two for each command. */
  readonly #watches = new Map<number, Watch>();

  constructor(options: RescueOptions) {
    this.#options = options;
  }

  /** PID 1 has to act after each of the gaps, and after the last one `isOver` shall hold. Replaces what the key stood for. */
  expect(key: number, gapsMs: readonly number[], score: number | null, isOver: () => boolean): void {
    this.forget(key);
    const watch: Watch = { score, isOver, gapsMs: [...gapsMs], looks: 0, hasHeld: false, cancel: () => undefined };
    this.#watches.set(key, watch);
    this.#next(key, watch);
  }

  forget(key: number): void {
    const watch = this.#watches.get(key);
    if (watch === undefined) return;
    watch.cancel();
    this.#watches.delete(key);
    this.#release(watch);
  }

  close(): void {
    for (const key of [...this.#watches.keys()]) this.forget(key);
  }

  #next(key: number, watch: Watch): void {
    watch.looks = 0;
    watch.cancel = this.#options.clock.after(watch.gapsMs.shift() ?? CALM_MS, () => this.#look(key, watch));
  }

  #look(key: number, watch: Watch): void {
    const { link, clock } = this.#options;
    const kernel = this.#options.kernel();
    // In a paused sandbox silence is expected, and no limit is over.
    if (watch.isOver() || kernel === null || watch.looks === MAX_LOOKS || link.state !== 'up' || link.areClocksStopped) {
      this.forget(key);
      return;
    }
    watch.looks += 1;
    let hasAnswered = false;
    link.ping().then(
      () => (hasAnswered = true),
      () => undefined,
    );
    watch.cancel = clock.after(PATIENCE_MS, () => {
      if (!hasAnswered && !watch.isOver() && !link.areClocksStopped) {
        watch.hasHeld = true;
        kernel.hold(watch.score);
        this.#look(key, watch);
        return;
      }
      // Its answer comes after all it was asked before: it has acted, and what it lets go on goes on.
      this.#release(watch);
      if (watch.gapsMs.length > 0) this.#next(key, watch);
      else watch.cancel = clock.after(CALM_MS, () => this.#look(key, watch));
    });
  }

  #release(watch: Watch): void {
    if (watch.hasHeld) this.#options.kernel()?.release();
    watch.hasHeld = false;
  }
}
