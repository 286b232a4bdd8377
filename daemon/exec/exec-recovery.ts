// Puts together what an earlier daemon left of a sandbox's commands: journal entries, spool files, results.
// Owns the order and the rules; makes nothing run and tells nobody.

import { rm } from 'node:fs/promises';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecTerminal } from './attachment.ts';
import type { Execution } from './execution.ts';
import type { EndEntry, ExecJournal, JournalEntry, KillEntry, StartEntry } from './journal.ts';
import { readRecords } from './output-tail.ts';
import type { SpoolSegment } from './spool-segment.ts';
import type { SpoolStore } from './spool-store.ts';

export interface RecoveryOptions {
  readonly sandboxId: string;
  readonly journal: ExecJournal;
  readonly spools: SpoolStore;
  readonly now: number;
  readonly sawNumber: (number: number) => void;
  readonly make: (start: StartEntry, segments: SpoolSegment[]) => Execution;
  /** It had not ended: init will say whether it runs. */
  readonly running: (execution: Execution, start: StartEntry) => void;
  readonly ended: (execution: Execution, start: StartEntry, end: EndEntry, terminal: ExecTerminal) => void;
}

interface History {
  readonly start: StartEntry;
  kill?: KillEntry;
  end?: EndEntry;
}

export async function recoverExecs(options: RecoveryOptions): Promise<void> {
  const histories = collect(await options.journal.read(), options.sawNumber);
  if (histories.size === 0) return;
  const segments = await options.spools.recover(options.sandboxId);
  for (const history of histories.values()) {
    const { start, kill, end } = history;
    const own = segments.get(start.number) ?? [];
    segments.delete(start.number);
    // An end with neither result nor error is of a command that was not even sent.
    if (end !== undefined && (end.at + options.spools.keepMs <= options.now || (end.result === null && end.error === undefined))) {
      await Promise.all(own.map((segment) => segment.remove()));
      await rm(`${options.spools.directoryOf(options.sandboxId)}/${start.number}.text`, { force: true });
      continue;
    }
    const execution = options.make(start, own);
    if (kill !== undefined) execution.recordKill(kill.by);
    // Others may have run at the same time before; the kernel's counter alone then proves nothing.
    execution.witness.hasCompany = true;
    if (end === undefined) {
      await execution.recorder.replay();
      options.running(execution, start);
    } else options.ended(execution, start, end, terminalOf(execution, end));
  }
  // Files of commands that the journal does not know belong to nobody.
  await Promise.all([...segments.values()].flat().map((segment) => segment.remove()));
}

function collect(entries: readonly JournalEntry[], sawNumber: (number: number) => void): Map<number, History> {
  const histories = new Map<number, History>();
  for (const entry of entries) {
    sawNumber(entry.number);
    if (entry.t === 'start') histories.set(entry.number, { start: entry });
    const history = histories.get(entry.number);
    if (history === undefined) continue;
    if (entry.t === 'kill') history.kill = entry;
    else if (entry.t === 'end') history.end = entry;
  }
  return histories;
}

function terminalOf(execution: Execution, end: EndEntry): ExecTerminal {
  if (end.result === null) return { kind: 'failed', error: new SandboxError('QUOTA_EXCEEDED', end.error ?? 'Cannot start the command') };
  if (end.output !== undefined) {
    const records = Buffer.from(end.output, 'base64');
    readRecords(records, 0, (piece) => execution.recorder.keep(piece.stream, piece.bytes));
  }
  const { stdout, stderr } = execution.recorder.text();
  return { kind: 'end', result: { ...end.result, stdout, stderr } };
}
