// What an execution is given: its own parts, and what it may ask of the table it belongs to.

import type { ExecResult } from '../../client/protocol/exec.ts';
import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { ExecTerminal } from './attachment.ts';
import type { CreditGate } from './credit-gate.ts';
import type { ExecSummary } from './exec-request.ts';
import type { FilterableRecorder } from './filterable-recorder.ts';
import type { Witness } from './witness.ts';

/** What an execution `E` needs of its table. */
export interface ExecutionHost<E> {
  readonly link: SandboxLink;
  readonly clock: Clock;
  /** Its tree shall be dead in `afterMs`. */
  readonly expectEnd: (execution: E, afterMs: number) => void;
  /** No process of it is left. */
  readonly treeGone: (execution: E) => void;
  readonly journalKill: (execution: E, by: string, signal: number) => void;
  /** Completes the result before anyone sees it. */
  readonly complete: (draft: ExecResult, execution: E) => Promise<ExecResult> | ExecResult;
  /** It has its outcome; `isReported`: init waits for the acknowledgement. */
  readonly ended: (execution: E, terminal: ExecTerminal, isReported: boolean) => void;
}

export interface ExecutionOptions<E> {
  readonly host: ExecutionHost<E>;
  readonly id: string;
  /** Of the link. */
  readonly number: number;
  readonly request: ExecSummary;
  readonly digest: string;
  readonly startedAtMs: number;
  readonly recorder: FilterableRecorder;
  readonly gate: CreditGate;
  readonly witness: Witness;
  readonly graceMs?: number | undefined;
}
