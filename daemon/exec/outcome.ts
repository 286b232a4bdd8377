// The one place that says how a command ended: a pure function of what init, the cgroup and this daemon know.
// Knows nothing of spools, links or clients.

import { constants } from 'node:os';
import type { Note, Outcome } from '../../client/protocol/exec.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExitReport } from '../link/messages.ts';
import type { KernelFacts } from './witness.ts';

/** How the outcome came about: an exit report of init, or the loss of whoever could have sent one. */
export type Ending =
  | { readonly kind: 'exit'; readonly report: ExitReport }
  | { readonly kind: 'lost'; readonly reason: string }
  /** Its sandbox was taken away on purpose, and is gone. */
  | { readonly kind: 'removed'; readonly by: string; readonly reason: string };

export interface OutcomeInput {
  readonly ending: Ending;
  /** Who asked for the tree to be killed; null: nobody here. */
  readonly killedBy: string | null;
  /** Signals sent on request, with who asked. */
  readonly signalsSent: ReadonlyMap<number, string>;
  readonly kernel: KernelFacts;
  /** It produced more than its cap and the policy says stop. */
  readonly isCapped: boolean;
}

export interface OutcomeVerdict {
  readonly outcome: Outcome;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly by?: string;
  readonly reason?: string;
  readonly notes: readonly Note[];
}

/** A command that did not start for lack of room has no outcome but an error. */
export type OutcomeDecision =
  | { readonly kind: 'ended'; readonly verdict: OutcomeVerdict }
  | { readonly kind: 'refused'; readonly error: SandboxError };

const ended = (verdict: OutcomeVerdict): OutcomeDecision => ({ kind: 'ended', verdict });
const NO_STATUS = { exitCode: null, signal: null } as const;

export function computeOutcome(input: OutcomeInput): OutcomeDecision {
  // Closing a session removes its container, so its commands are known to be dead without a word of init.
  if (input.ending.kind === 'lost' && input.killedBy?.startsWith('session:') === true) {
    return ended({ outcome: 'killed', ...NO_STATUS, by: input.killedBy, reason: input.ending.reason, notes: [] });
  }
  if (input.ending.kind === 'lost') return ended({ outcome: 'lost', ...NO_STATUS, reason: input.ending.reason, notes: [] });
  if (input.ending.kind === 'removed')
    return ended({ outcome: 'killed', ...NO_STATUS, by: input.killedBy ?? input.ending.by, reason: input.ending.reason, notes: [] });
  const { report } = input.ending;
  if (report.reason === 'notStarted') return notStarted(report);
  const notes = notesOf(input, report);
  if (input.isCapped) return ended({ outcome: 'outputCapped', ...NO_STATUS, reason: 'its output exceeded outputBytes', notes });
  switch (report.reason) {
    case 'wall':
      return ended({ outcome: 'timedOut', ...NO_STATUS, reason: 'its time limit was over', notes });
    case 'idle':
      return ended({ outcome: 'idleTimedOut', ...NO_STATUS, reason: 'it produced no output for its idle limit', notes });
    case 'killed':
      return ended({ outcome: 'killed', ...NO_STATUS, by: input.killedBy ?? 'cloister:recovery', notes });
    case 'pids':
      return ended({ outcome: 'killed', ...NO_STATUS, by: 'cloister:pids', reason: 'the process limit of the sandbox was reached', notes });
    case 'supervisorLost':
      return ended({
        outcome: 'killed',
        ...NO_STATUS,
        by: 'cloister:supervisorLost',
        reason: 'a process of the sandbox killed or stopped its supervisor',
        notes,
      });
    case 'self':
      return byWaitStatus(input, report, notes);
  }
}

function byWaitStatus(input: OutcomeInput, report: ExitReport, notes: readonly Note[]): OutcomeDecision {
  if (report.isOomLike && input.kernel.oom.rose && input.kernel.oom.isAttributed) {
    return ended({
      outcome: 'oomKilled',
      ...NO_STATUS,
      reason: 'the memory limit of the sandbox was reached',
      notes: notes.filter((note) => note.code !== 'oomKill'),
    });
  }
  const signal = report.waitStatus & 0x7f;
  if (signal === 0) return ended({ outcome: 'exited', exitCode: (report.waitStatus >> 8) & 0xff, signal: null, notes });
  const by = input.signalsSent.get(signal);
  if (by !== undefined) return ended({ outcome: 'killed', ...NO_STATUS, by, reason: `by ${signalName(signal)}`, notes });
  return ended({ outcome: 'signalled', exitCode: null, signal: signalName(signal), notes });
}

/** As a shell says it: 127 for what is not there, 126 for what can't be run; no room is an error of its own. */
function notStarted(report: ExitReport): OutcomeDecision {
  const cause = errnoName(report.error);
  const isShortage = ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE', 'ENOSPC'].includes(cause);
  if (report.stage === 'fork' || report.stage === 'table' || isShortage) {
    const what =
      report.stage === 'table'
        ? 'too many commands run or have left processes behind'
        : `no process slot, terminal or memory is left (${cause})`;
    return {
      kind: 'refused',
      error: new SandboxError('QUOTA_EXCEEDED', `Cannot start the command: ${what}`, {
        hint: 'End other commands of the sandbox, or ask for higher limits.',
      }),
    };
  }
  if (report.stage === 'exec' && (cause === 'ENOENT' || cause === 'ENOTDIR')) {
    return ended({ outcome: 'exited', exitCode: 127, signal: null, reason: `command not found (${cause})`, notes: [] });
  }
  const step =
    report.stage === 'cwd'
      ? 'its working directory cannot be entered'
      : report.stage === 'exec'
        ? 'it cannot be executed'
        : 'its terminal or pipes cannot be made';
  return ended({ outcome: 'exited', exitCode: 126, signal: null, reason: `${step} (${cause})`, notes: [] });
}

function notesOf(input: OutcomeInput, report: ExitReport): Note[] {
  const notes: Note[] = [];
  if (input.kernel.oom.rose)
    notes.push({ code: 'oomKill', detail: 'the kernel killed a process of the sandbox for memory while this command ran' });
  if (report.reason === 'supervisorLost') notes.push({ code: 'supervisorLost' });
  if (report.reason === 'pids' || input.kernel.forksRefused)
    notes.push({ code: 'pidsLimit', detail: 'the process limit of the sandbox was reached while this command ran' });
  if (report.lingering > 0) notes.push({ code: 'processesLeft', detail: String(report.lingering) });
  return notes;
}

/** SIGTERM for 15; signals without a name are said by number. */
export function signalName(signal: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === signal)?.[0] ?? `SIG${signal}`;
}

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
