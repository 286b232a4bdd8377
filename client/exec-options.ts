// What a caller may ask of a command, and how that reads on the wire. Pure.

import type { OutputChunk } from './output-chunk.ts';
import type { Params, PtySize } from './protocol/index.ts';

export type Data = string | Uint8Array;

/** `true`: a pipe for write() and closeStdin(). */
export type Stdin = Data | AsyncIterable<Data> | true;

export type OutputCallback = (text: string, chunk: OutputChunk) => void | Promise<void>;

export interface ReadOptions {
  /** Milliseconds after which the result comes with outcome `running` if the command has not ended; go on with attach(). */
  readonly yieldMs?: number | undefined;
  /** Aborting ends the command: its whole tree is killed and the result says `killed`. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece of standard output, in order; a returned promise holds the next one back. */
  readonly onStdout?: OutputCallback | undefined;
  readonly onStderr?: OutputCallback | undefined;
}

export interface ExecOptions extends ReadOptions {
  /** Working directory, relative to the workspace or absolute. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Names of the session's secrets to have in its environment. */
  readonly secrets?: readonly string[] | undefined;
  /** /dev/null unless given. */
  readonly stdin?: Stdin | undefined;
  /** Milliseconds of wall time, then the outcome is `timedOut`. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds without output, then the outcome is `idleTimedOut`. */
  readonly idleTimeoutMs?: number | undefined;
  /** Bytes of output after which `outputPolicy` decides. */
  readonly outputBytes?: number | undefined;
  /** `drop` (default): go on, keep the tail, count what was dropped. `stop`: end with outcome `outputCapped`. */
  readonly outputPolicy?: 'drop' | 'stop' | undefined;
  /** Snapshot the workspace first: `result.changes` lists what the command did, `workspace.undo(result.id)` takes it back. */
  readonly checkpoint?: boolean | undefined;
  /** Outlives this handle and this connection. */
  readonly background?: boolean | undefined;
  /** A terminal of this size instead of pipes; all output is stdout. */
  readonly pty?: PtySize | undefined;
  /** The id of the command; the same id with the same request never starts it twice. */
  readonly id?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** W3C trace context that the command belongs to; on its record, and the parent of its span. */
  readonly traceparent?: string | undefined;
}

export interface AttachOptions extends ReadOptions {
  /** Offset in the combined output to go on from, for example `nextOffset` of an earlier result. Default 0. */
  readonly offset?: number | undefined;
}

export function startParams(
  sandbox: string,
  execId: string,
  command: string | readonly string[],
  options: ExecOptions,
): Params<'exec.start'> {
  return {
    sandbox,
    execId,
    command: typeof command === 'string' ? command : [...command],
    cwd: options.cwd,
    env: options.env,
    secrets: options.secrets === undefined ? undefined : [...options.secrets],
    timeoutMs: options.timeoutMs,
    idleTimeoutMs: options.idleTimeoutMs,
    outputBytes: options.outputBytes,
    outputPolicy: options.outputPolicy,
    yieldMs: options.yieldMs,
    background: options.background,
    checkpoint: options.checkpoint,
    pty: options.pty,
    labels: options.labels,
    traceparent: options.traceparent,
  };
}

export function toBytes(data: Data): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
}
