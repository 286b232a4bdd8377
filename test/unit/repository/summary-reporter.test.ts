import type { TestModule } from 'vitest/node';
import { describe, expect, test } from 'vitest';
import { countResults, summaryLine } from '../../support/summary-reporter.ts';

type State = 'passed' | 'failed' | 'skipped' | 'pending';

/** The part of a reported module that is counted. */
function moduleOf(states: readonly State[], moduleErrors = 0, suiteErrors = 0): TestModule {
  const errors = (count: number) => () => Array.from({ length: count }, () => ({ message: 'broken' }));
  return {
    errors: errors(moduleErrors),
    children: {
      allSuites: () => [{ errors: errors(suiteErrors) }],
      allTests: () => states.map((state) => ({ result: () => ({ state }) })),
    },
  } as unknown as TestModule;
}

describe('the summary of a run', () => {
  test.each([
    ['passed and failed tests', countResults([moduleOf(['passed', 'failed']), moduleOf(['passed'])], 0), '2 passed, 1 failed'],
    ['skipped tests', countResults([moduleOf(['passed', 'skipped'])], 0), '1 passed, 0 failed, 1 skipped'],
    ['a file that could not be loaded as a failure', countResults([moduleOf([], 1)], 0), '0 passed, 1 failed'],
    ['a hook that failed as a failure', countResults([moduleOf(['skipped'], 0, 1)], 0), '0 passed, 1 failed, 1 skipped'],
    ['a run without a test as a failure', countResults([], 0), '0 passed, 1 failed'],
    ['an error outside every test as a failure', countResults([moduleOf(['passed'])], 1), '1 passed, 1 failed'],
    ['a test that never ended as a failure', countResults([moduleOf(['pending'])], 0), '0 passed, 1 failed'],
  ])('counts %s', (_, counts, line) => {
    expect(summaryLine(counts)).toBe(line);
  });
});
