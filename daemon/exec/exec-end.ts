// Turns the way a command ended into the result its callers see.
// Pure but for nothing: outcome and text in, ExecResult out.

import type { ExecResult, Note } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';
import type { OutputText } from './output-recorder.ts';
import type { Ending, OutcomeVerdict } from './outcome.ts';

export interface ResultInput {
  readonly execId: string;
  readonly verdict: OutcomeVerdict;
  readonly ending: Ending | null;
  /** `redacted`: names of secrets that were found in it. */
  readonly text: OutputText & { readonly redacted?: readonly string[] };
  readonly nextOffset: number;
  /** Milliseconds since the start, for want of init's figure. */
  readonly elapsedMs: number;
}

export function buildResult(input: ResultInput): ExecResult {
  const { verdict, text } = input;
  const report = input.ending?.kind === 'exit' ? input.ending.report : null;
  const isTruncated = text.droppedBytes.stdout + text.droppedBytes.stderr > 0;
  const notes: Note[] = [...verdict.notes, ...(isTruncated ? [{ code: 'outputTruncated' } as const] : [])];
  const redacted = text.redacted ?? [];
  if (redacted.length > 0) notes.push({ code: 'secretsRedacted', detail: redacted.join(', ') });
  return {
    id: ExecId.parse(input.execId),
    outcome: verdict.outcome,
    exitCode: verdict.exitCode,
    signal: verdict.signal,
    ...(verdict.by === undefined ? {} : { by: verdict.by }),
    ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
    stdout: text.stdout,
    stderr: text.stderr,
    droppedBytes: text.droppedBytes,
    nextOffset: input.nextOffset,
    durationMs: report === null ? input.elapsedMs : report.durationUs / 1000,
    cpuMs: report === null ? 0 : (report.userUs + report.systemUs) / 1000,
    maxRssBytes: report === null ? 0 : report.maxRssKib * 1024,
    egress: [],
    notes,
  };
}

/** Of a command that a rule or a missing confirmation kept from starting. */
export function deniedResult(
  execId: string,
  denial: { readonly reason: string; readonly rule: string; readonly remedy: string },
): ExecResult {
  const verdict: OutcomeVerdict = { outcome: 'denied', exitCode: null, signal: null, reason: denial.reason, notes: [] };
  const text: OutputText = { stdout: '', stderr: '', droppedBytes: { stdout: 0, stderr: 0 } };
  return { ...buildResult({ execId, verdict, ending: null, text, nextOffset: 0, elapsedMs: 0 }), rule: denial.rule, remedy: denial.remedy };
}
