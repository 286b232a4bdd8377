// What is asked of the exec table once policy has said yes, and when two requests are the same.
// Owns the shape and its digest; knows nothing of who asks.

import { createHash } from 'node:crypto';
import type { Command, ExecInfo, Outcome, PtySize } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';

export interface ExecRequest {
  /** Client-chosen; unique in the sandbox. */
  readonly execId: string;
  readonly argv: readonly string[];
  /** The whole environment, but for secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of secrets in its environment: what a repeated request must have the same. */
  readonly secrets?: readonly string[] | undefined;
  /** Their values: for START alone. */
  readonly secretEnv?: Readonly<Record<string, string>> | undefined;
  /** Absolute, as the sandbox sees it. */
  readonly cwd: string;
  readonly stdin: 'none' | 'pipe';
  readonly pty?: PtySize | undefined;
  /** Milliseconds; none: no limit. */
  readonly wallMs?: number | undefined;
  /** Milliseconds without output; none: no limit. */
  readonly idleMs?: number | undefined;
  /** Milliseconds between SIGTERM and SIGKILL; default 2,000. */
  readonly graceMs?: number | undefined;
  /** Bytes of output: kept at most (`drop`), or produced at most (`stop`). */
  readonly outputBytes?: number | undefined;
  readonly outputPolicy: 'drop' | 'stop';
  readonly background: boolean;
  /** As the client wrote it. */
  readonly command: Command;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What is remembered of a request: no environment, since it may hold secrets. */
export interface ExecSummary {
  readonly command: Command;
  readonly hasStdin: boolean;
  readonly hasPty: boolean;
  readonly background: boolean;
  readonly outputBytes?: number | undefined;
  readonly outputPolicy: 'drop' | 'stop';
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export function summarize(request: ExecRequest): ExecSummary {
  return {
    command: request.command,
    hasStdin: request.stdin === 'pipe' || request.pty !== undefined,
    hasPty: request.pty !== undefined,
    background: request.background,
    outputPolicy: request.outputPolicy,
    ...(request.outputBytes === undefined ? {} : { outputBytes: request.outputBytes }),
    ...(request.labels === undefined ? {} : { labels: request.labels }),
  };
}

/** Equal for requests that ask for the same thing under the same id. */
export function digestRequest(request: ExecRequest): string {
  const env = Object.entries(request.env).sort(([a], [b]) => (a < b ? -1 : 1));
  const fields = [
    request.execId,
    request.argv,
    env,
    request.cwd,
    request.stdin,
    request.pty?.columns,
    request.pty?.rows,
    request.wallMs,
    request.idleMs,
    request.graceMs,
    request.outputBytes,
    request.outputPolicy,
    request.background,
    ...(request.secrets === undefined ? [] : [[...request.secrets].sort()]),
  ];
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url');
}

interface DescribedExec {
  readonly id: string;
  readonly request: ExecSummary;
  readonly state: 'running' | 'ended';
  readonly outcome: Outcome | null;
  readonly startedAtMs: number;
}

/** What an operator sees of a command. */
export function describeExec({ id, request, state, outcome, startedAtMs }: DescribedExec): ExecInfo {
  return {
    id: ExecId.parse(id),
    command: request.command,
    state,
    ...(outcome === null ? {} : { outcome }),
    startedAt: new Date(startedAtMs).toISOString(),
    background: request.background,
  };
}
