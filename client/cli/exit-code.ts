// What `run` and `exec` exit with, and what they say when the command did not end by itself. Pure.

import { constants } from 'node:os';
import type { ExecResult } from '../protocol/index.ts';
import { escapeText } from './escape-text.ts';

/** Cloister's own failure, or a command whose end nobody knows. */
export const EXIT_FAILURE = 125;

export function exitCodeOf(result: Pick<ExecResult, 'outcome' | 'exitCode' | 'signal'>): number {
  switch (result.outcome) {
    case 'exited':
      return result.exitCode ?? EXIT_FAILURE;
    case 'signalled':
      return 128 + signalNumber(result.signal);
    case 'oomKilled':
      return 137;
    case 'killed':
      return 130;
    case 'timedOut':
    case 'idleTimedOut':
      return 124;
    case 'denied':
      return 126;
    case 'running':
    case 'outputCapped':
    case 'lost':
      return EXIT_FAILURE;
  }
}

const ENDINGS: Partial<Record<ExecResult['outcome'], string>> = {
  oomKilled: 'the command was killed: out of memory',
  killed: 'the command was killed',
  timedOut: 'the command ran out of its time limit',
  idleTimedOut: 'the command was silent for longer than its limit',
  denied: 'the command was denied',
  outputCapped: 'the command was ended: it exceeded its output limit',
  lost: 'the command was lost: its sandbox or the engine died under it',
};

/** Outcomes whose reason would say the same again. */
const SELF_EVIDENT: ReadonlySet<ExecResult['outcome']> = new Set(['timedOut', 'idleTimedOut']);

/** null: the exit code says all. */
export function explainEnding({ outcome, by, reason, rule, remedy }: ExecResult): string | null {
  const ending = ENDINGS[outcome];
  // A command that could not start ends like one of a shell, with the reason beside it.
  if (ending === undefined) return outcome === 'exited' && reason !== undefined ? `cloister: ${escapeText(reason)}\n` : null;
  const why = reason === undefined || SELF_EVIDENT.has(outcome) ? '' : `: ${reason}`;
  const details = [by === undefined ? '' : ` by ${by}`, why, rule === undefined ? '' : ` (rule ${rule})`];
  const hint = remedy === undefined ? '' : `\nhint: ${escapeText(remedy)}`;
  return `cloister: ${escapeText(ending + details.join(''))}${hint}\n`;
}

function signalNumber(name: string | null): number {
  return Object.entries(constants.signals).find(([known]) => known === name)?.[1] ?? 0;
}
