// How a command's result reads in MCP: the fields for programs, and the text for a model.

import { z } from 'zod';
import type { ExecResult } from '../../client/index.ts';

export const CommandResult = z.object({
  id: z.string().describe('for bash_output and kill'),
  outcome: z.enum(['exited', 'signalled', 'timedOut', 'idleTimedOut', 'oomKilled', 'running', 'outputCapped', 'killed', 'denied', 'lost']),
  exit_code: z.int().nullable().describe('of `exited`'),
  signal: z.string().nullable(),
  stdout: z.string().describe('at most 40,000 characters, head and tail'),
  stderr: z.string(),
  dropped_bytes: z.object({ stdout: z.int(), stderr: z.int() }).describe('left out of stdout and stderr'),
  next_offset: z.int().describe('bytes of output so far, stdout and stderr together'),
  duration_ms: z.number(),
  by: z.string().optional().describe('who ended it'),
  reason: z.string().optional(),
  rule: z.string().optional(),
  remedy: z.string().optional(),
  notes: z.array(z.object({ code: z.string(), detail: z.string().optional() })),
  egress_denied: z.array(z.object({ host: z.string(), port: z.int(), reason: z.string(), remedy: z.string().optional() })),
});
export type CommandResult = z.infer<typeof CommandResult>;

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly droppedBytes: { readonly stdout: number; readonly stderr: number };
}

/** `output`: what of it is told; all of it unless given. */
export function commandResult(result: ExecResult, output: Output = result): CommandResult {
  const { by, reason, rule, remedy } = result;
  const denied = result.egress.filter(({ verdict }) => verdict === 'deny');
  return {
    id: result.id,
    outcome: result.outcome,
    exit_code: result.exitCode,
    signal: result.signal,
    stdout: output.stdout,
    stderr: output.stderr,
    dropped_bytes: { ...output.droppedBytes },
    next_offset: result.nextOffset,
    duration_ms: result.durationMs,
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(rule === undefined ? {} : { rule }),
    ...(remedy === undefined ? {} : { remedy }),
    notes: result.notes.map(({ code, detail }) => ({ code, ...(detail === undefined ? {} : { detail }) })),
    egress_denied: denied.map(({ host, port, reason: why, remedy: what }) => ({
      host,
      port,
      reason: why,
      ...(what === undefined ? {} : { remedy: what }),
    })),
  };
}

/** Denied and lost commands did not do what they were called for; one that failed has, and says how it ended. */
export const isRefused = ({ outcome }: CommandResult): boolean => outcome === 'denied' || outcome === 'lost';

export function commandText(result: CommandResult): string {
  const parts = [result.stdout, result.stderr === '' ? '' : `[stderr]\n${result.stderr}`, `[${endOf(result)}]`];
  for (const { host, port, reason, remedy } of result.egress_denied)
    parts.push(`[no connection to ${host}:${port}: ${reason}${remedy === undefined ? '' : `; ${remedy}`}]`);
  for (const { code, detail } of result.notes) parts.push(`[note ${code}${detail === undefined ? '' : `: ${detail}`}]`);
  return parts
    .filter((part) => part !== '')
    .map((part) => (part.endsWith('\n') ? part : `${part}\n`))
    .join('');
}

function endOf(result: CommandResult): string {
  const { outcome, exit_code: exitCode, signal, duration_ms: durationMs, id } = result;
  const why = [result.reason, result.rule === undefined ? undefined : `rule ${result.rule}`, result.remedy].filter(
    (part) => part !== undefined,
  );
  switch (outcome) {
    case 'exited':
      return `exit code ${exitCode ?? 'unknown'}`;
    case 'running':
      return `still running as ${id}; bash_output tells more, kill ends it`;
    case 'signalled':
      return `died of ${signal ?? 'a signal'}`;
    case 'timedOut':
      return `timed out after ${Math.round(durationMs)} ms and was ended`;
    default:
      return [outcome, result.by === undefined ? '' : `by ${result.by}`, why.join('; ')].filter((part) => part !== '').join(': ');
  }
}
