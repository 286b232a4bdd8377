import { describe, expect, test } from 'vitest';
import { computeOutcome } from '../../../daemon/exec/outcome.ts';
import type { OutcomeInput } from '../../../daemon/exec/outcome.ts';
import type { ExitReport } from '../../../daemon/link/messages.ts';

const REPORT: ExitReport = {
  waitStatus: 0,
  reason: 'self',
  isOomLike: false,
  error: 0,
  stage: 'none',
  outputBytes: 0,
  stderrBytes: 0,
  userUs: 0,
  systemUs: 0,
  maxRssKib: 0,
  durationUs: 0,
  lingering: 0,
};
const ENOENT = 2;
const EACCES = 13;
const EAGAIN = 11;
const ENOEXEC = 8;

function decide(report: Partial<ExitReport>, rest: Partial<OutcomeInput> = {}): ReturnType<typeof computeOutcome> {
  return computeOutcome({
    ending: { kind: 'exit', report: { ...REPORT, ...report } },
    killedBy: null,
    signalsSent: new Map(),
    kernel: { oom: { rose: false, isAttributed: false }, forksRefused: false },
    isCapped: false,
    ...rest,
  });
}

const OOM = { oom: { rose: true, isAttributed: true }, forksRefused: false };
const KILLED_9 = { waitStatus: 9, isOomLike: true } as const;
const EXITED_137 = { waitStatus: 137 << 8, isOomLike: true } as const;

interface Row {
  readonly claim: string;
  readonly report: Partial<ExitReport>;
  readonly rest?: Partial<OutcomeInput>;
  readonly verdict: Record<string, unknown>;
  readonly notes?: readonly string[];
}

const ROWS: readonly Row[] = [
  { claim: 'a command that returns 0 has exited 0', report: {}, verdict: { outcome: 'exited', exitCode: 0, signal: null } },
  { claim: 'a command that returns 7 has exited 7', report: { waitStatus: 7 << 8 }, verdict: { outcome: 'exited', exitCode: 7 } },
  {
    claim: 'a command that crashes is signalled',
    report: { waitStatus: 11 },
    verdict: { outcome: 'signalled', exitCode: null, signal: 'SIGSEGV' },
  },
  {
    claim: 'a crash with a core dump is the same',
    report: { waitStatus: 11 | 0x80 },
    verdict: { outcome: 'signalled', signal: 'SIGSEGV' },
  },
  { claim: 'a real-time signal is said by number', report: { waitStatus: 40 }, verdict: { outcome: 'signalled', signal: 'SIG40' } },
  {
    claim: 'a wall limit is timedOut',
    report: { reason: 'wall', waitStatus: 15 },
    verdict: { outcome: 'timedOut', exitCode: null, signal: null },
  },
  {
    claim: 'a wall limit that the command answers with exit 0 is still timedOut',
    report: { reason: 'wall' },
    verdict: { outcome: 'timedOut', exitCode: null },
  },
  { claim: 'an idle limit is idleTimedOut', report: { reason: 'idle', waitStatus: 15 }, verdict: { outcome: 'idleTimedOut' } },
  {
    claim: 'a killed tree says who killed it',
    report: { reason: 'killed', waitStatus: 9 },
    rest: { killedBy: 'caller' },
    verdict: { outcome: 'killed', by: 'caller', exitCode: null },
  },
  {
    claim: 'a command that ended before the kill reached it has exited',
    report: {},
    rest: { killedBy: 'caller' },
    verdict: { outcome: 'exited', exitCode: 0 },
  },
  {
    claim: 'dying of a signal that a caller sent is killed by the caller',
    report: { waitStatus: 2 },
    rest: { signalsSent: new Map([[2, 'caller']]) },
    verdict: { outcome: 'killed', by: 'caller', reason: 'by SIGINT' },
  },
  {
    claim: 'dying of another signal than the caller sent is signalled',
    report: { waitStatus: 6 },
    rest: { signalsSent: new Map([[2, 'caller']]) },
    verdict: { outcome: 'signalled', signal: 'SIGABRT' },
  },
  {
    claim: 'surviving a caller’s signal and returning 3 has exited 3',
    report: { waitStatus: 3 << 8 },
    rest: { signalsSent: new Map([[2, 'caller']]) },
    verdict: { outcome: 'exited', exitCode: 3 },
  },
  {
    claim: 'SIGKILL with a risen counter is oomKilled',
    report: KILLED_9,
    rest: { kernel: OOM },
    verdict: { outcome: 'oomKilled', exitCode: null, signal: null },
    notes: [],
  },
  {
    claim: 'exit 137 with a risen counter is oomKilled',
    report: EXITED_137,
    rest: { kernel: OOM },
    verdict: { outcome: 'oomKilled' },
    notes: [],
  },
  { claim: 'SIGKILL without a risen counter is signalled', report: KILLED_9, verdict: { outcome: 'signalled', signal: 'SIGKILL' } },
  { claim: 'exit 137 without a risen counter has exited 137', report: EXITED_137, verdict: { outcome: 'exited', exitCode: 137 } },
  {
    claim: 'SIGKILL with a counter that rose for somebody else is signalled, with a note',
    report: KILLED_9,
    rest: { kernel: { oom: { rose: true, isAttributed: false }, forksRefused: false } },
    verdict: { outcome: 'signalled', signal: 'SIGKILL' },
    notes: ['oomKill'],
  },
  {
    claim: 'exit 0 with a risen counter has exited 0, with a note',
    report: {},
    rest: { kernel: OOM },
    verdict: { outcome: 'exited', exitCode: 0 },
    notes: ['oomKill'],
  },
  {
    claim: 'a lost supervisor is killed, with a note',
    report: { reason: 'supervisorLost', waitStatus: 9 },
    verdict: { outcome: 'killed', by: 'cloister:supervisorLost' },
    notes: ['supervisorLost'],
  },
  {
    claim: 'the process limit is killed by cloister:pids, with a note',
    report: { reason: 'pids', waitStatus: 9 },
    verdict: { outcome: 'killed', by: 'cloister:pids' },
    notes: ['pidsLimit'],
  },
  {
    claim: 'a refused fork is a note and no outcome',
    report: { waitStatus: 1 << 8 },
    rest: { kernel: { oom: { rose: false, isAttributed: false }, forksRefused: true } },
    verdict: { outcome: 'exited', exitCode: 1 },
    notes: ['pidsLimit'],
  },
  {
    claim: 'too much output under policy stop is outputCapped',
    report: { reason: 'killed', waitStatus: 15 },
    rest: { isCapped: true },
    verdict: { outcome: 'outputCapped', exitCode: null },
  },
  {
    claim: 'too much output is outputCapped also if the command ended first',
    report: {},
    rest: { isCapped: true },
    verdict: { outcome: 'outputCapped', exitCode: null },
  },
  {
    claim: 'processes left behind are a note',
    report: { lingering: 2 },
    verdict: { outcome: 'exited', exitCode: 0 },
    notes: ['processesLeft'],
  },
  {
    claim: 'a command that is not found has exited 127',
    report: { reason: 'notStarted', stage: 'exec', error: ENOENT },
    verdict: { outcome: 'exited', exitCode: 127, reason: 'command not found (ENOENT)' },
  },
  {
    claim: 'a command that is not executable has exited 126',
    report: { reason: 'notStarted', stage: 'exec', error: EACCES },
    verdict: { outcome: 'exited', exitCode: 126, reason: 'it cannot be executed (EACCES)' },
  },
  {
    claim: 'a file that is no program has exited 126',
    report: { reason: 'notStarted', stage: 'exec', error: ENOEXEC },
    verdict: { outcome: 'exited', exitCode: 126 },
  },
  {
    claim: 'a missing working directory has exited 126',
    report: { reason: 'notStarted', stage: 'cwd', error: ENOENT },
    verdict: { outcome: 'exited', exitCode: 126, reason: 'its working directory cannot be entered (ENOENT)' },
  },
];

describe('the outcome of a command', () => {
  test.each(ROWS)('$claim', ({ report, rest, verdict, notes }) => {
    const decision = decide(report, rest);
    if (decision.kind !== 'ended') throw new Error('refused');
    expect(decision.verdict).toMatchObject(verdict);
    expect(decision.verdict.notes.map((note) => note.code)).toEqual(notes ?? []);
  });

  test('a lost link is lost, whatever else is known, and never a success', () => {
    const decision = computeOutcome({
      ending: { kind: 'lost', reason: 'its container ended' },
      killedBy: 'caller',
      signalsSent: new Map(),
      kernel: OOM,
      isCapped: true,
    });
    expect(decision).toEqual({
      kind: 'ended',
      verdict: { outcome: 'lost', exitCode: null, signal: null, reason: 'its container ended', notes: [] },
    });
  });

  test.each([
    { claim: 'no process slot', report: { reason: 'notStarted', stage: 'fork', error: EAGAIN } },
    { claim: 'a full table', report: { reason: 'notStarted', stage: 'table', error: 0 } },
    { claim: 'no terminal', report: { reason: 'notStarted', stage: 'pty', error: 28 } },
    { claim: 'no memory at exec', report: { reason: 'notStarted', stage: 'exec', error: 12 } },
  ] as const)('$claim is QUOTA_EXCEEDED and no outcome', ({ report }) => {
    const decision = decide(report);
    expect(decision.kind === 'refused' && decision.error.code).toBe('QUOTA_EXCEEDED');
  });
});
