// The last line of a test run: `N passed, N failed`, with `, N skipped` when something was.
// Counts tests, suites that failed outside a test, and errors outside any; a run that never ended has failed.

import type { Reporter, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface SummaryReporterOptions {
  /** A skipped test fails the run. */
  readonly failOnSkipped: boolean;
}

export function summaryLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** What a run amounts to. A suite or module with an error of its own counts as one failure. */
export function countResults(modules: readonly TestModule[], unhandledErrors: number): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that is still pending when the run ends never said it passed.
      counts[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  // Nothing ran: global set-up failed, or no file matched.
  if (counts.passed + counts.failed + counts.skipped === 0) counts.failed = 1;
  return counts;
}

export class SummaryReporter implements Reporter {
  readonly #failOnSkipped: boolean;
  #counts: Counts = { passed: 0, failed: 1, skipped: 0 };

  constructor(options: SummaryReporterOptions) {
    this.#failOnSkipped = options.failOnSkipped;
  }

  onInit(): void {
    // Written at the very end, after the output of global tear-down.
    process.once('exit', () => {
      if (this.#isFailure()) process.exitCode = process.exitCode === undefined || process.exitCode === 0 ? 1 : process.exitCode;
      if (this.#failOnSkipped && this.#counts.skipped > 0) process.stdout.write('A skipped test fails a run with CI=true.\n');
      process.stdout.write(`${summaryLine(this.#counts)}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    this.#counts = countResults(modules, unhandledErrors.length);
  }

  #isFailure(): boolean {
    return this.#counts.failed > 0 || (this.#failOnSkipped && this.#counts.skipped > 0);
  }
}
