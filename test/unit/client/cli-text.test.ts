// What the verbs say and exit with: pure text.

import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../client/cli/duration.ts';
import { escapeText } from '../../../client/cli/escape-text.ts';
import { exitCodeOf, explainEnding } from '../../../client/cli/exit-code.ts';
import { ClientError, type ExecResult } from '../../../client/index.ts';

describe('exit codes', () => {
  const base = { by: undefined, exitCode: null, signal: null };
  test.each([
    ['exited', { ...base, exitCode: 42 }, 42],
    ['signalled', { ...base, signal: 'SIGSEGV' }, 139],
    ['oomKilled', base, 137],
    ['killed', base, 130],
    ['timedOut', base, 124],
    ['idleTimedOut', base, 124],
    ['denied', base, 126],
    ['lost', base, 125],
  ] as const)('%s', (outcome, rest, code) => {
    expect(exitCodeOf({ outcome, ...rest })).toBe(code);
  });

  test('a denial says reason, rule and remedy, harmless for a terminal', () => {
    const result = { outcome: 'denied', reason: 'no \u001b[31mnetwork', rule: 'deny-all', remedy: 'ask' } as ExecResult;
    expect(explainEnding(result)).toBe('cloister: the command was denied: no \\x1b[31mnetwork (rule deny-all)\nhint: ask\n');
  });
});

describe('text', () => {
  test.each([
    ['500ms', 500],
    ['60s', 60_000],
    ['1.5m', 90_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', '5', '-1s', '1e3s', '0s', 's', '1 s', '9999999999999999d'])('%j is no duration', (text) => {
    expect(() => parseDuration(text)).toThrow('Write it as');
  });

  test('durations are shown in a unit that says enough', () => {
    expect([0, 59_999, 119_000, 120_000, 7_200_000, 172_800_000].map(formatDuration)).toEqual(['0s', '59s', '119s', '2m', '2h', '2d']);
  });

  test('control, bidirectional and line-separating characters are made visible', () => {
    expect(escapeText('a\u001b[2J\n\u202eb\u2028é😀')).toBe('a\\x1b[2J\\x0a\\u{202e}b\\u{2028}é😀');
  });

  test('errors carry a code and a hint', () => {
    expect(new ClientError('QUEUE_FULL', 'Cannot').hint).toBe('Await earlier calls before making more.');
  });
});
