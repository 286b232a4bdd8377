// A shell that keeps its state between runs: one bash process, one run at a time. Owns where a run's output ends and how
// a run is interrupted; the process itself is an ordinary Execution.
//
// bash reads from a pipe: first `eval` of the run's text, then a line that prints a marker on both streams. The marker is
// 128 random bits made for this run, and the run's own stdin is /dev/null, so output can't contain it before its time.

import { randomBytes } from 'node:crypto';
import { ClientError } from './errors.ts';
import type { Execution } from './execution.ts';
import type { ExecOptions } from './exec-options.ts';
import type { OutputChunk } from './output-chunk.ts';
import { type RunOutput, ShellOutput } from './shell-output.ts';

export interface ShellRunOptions {
  /** Milliseconds, then the run is interrupted (SIGINT, then SIGKILL to what it started); the shell and its state stay. */
  readonly timeoutMs?: number | undefined;
  /** Aborting interrupts the run likewise. */
  readonly signal?: AbortSignal | undefined;
  readonly onStdout?: ((text: string) => void) | undefined;
  readonly onStderr?: ((text: string) => void) | undefined;
}

export interface ShellRunResult {
  /** `exited`: by itself. `ended`: the command ended the shell itself, for example with exit. */
  readonly outcome: 'exited' | 'timedOut' | 'killed' | 'ended';
  /** Of the last command; null unless it is known. */
  readonly exitCode: number | null;
  /** At most 40,000 characters each, head and tail, the omission stated. */
  readonly stdout: string;
  readonly stderr: string;
  readonly droppedBytes: { readonly stdout: number; readonly stderr: number };
  readonly durationMs: number;
  /** The shell ended during the run: directory, variables and jobs are gone, the next run starts a fresh one. */
  readonly stateLost: boolean;
}

/** What a shell needs of its sandbox. */
export interface ShellHost {
  exec(command: readonly string[], options: ExecOptions): Execution;
}

const INTERRUPT_GRACE_MS = 2000;
/** Interactive, because only such a bash survives SIGINT and drops the rest of the run; everything else of that is switched off. */
const BASH = ['bash', '--noprofile', '--norc', '--noediting', '-i'];
const PREPARE = 'PS1= PS2=; set +H +o history; shopt -u checkwinsize\n';
/** SIGKILL to all descendants of a process, children last so that none is missed by re-parenting. */
const KILL_DESCENDANTS = 'walk() { for c in $(cat /proc/$1/task/*/children 2>/dev/null); do walk $c; kill -9 $c; done; }; walk "$1"';

/**
 * A bash whose directory, variables, functions and background jobs survive from run to run.
 * @example
 *   const shell = await sandbox.shell();
 *   await shell.run('cd src && export MODE=test');
 *   const { exitCode, stdout } = await shell.run('pwd; echo $MODE');
 */
export class Shell {
  readonly #host: ShellHost;
  readonly #options: Pick<ExecOptions, 'cwd' | 'env'>;
  #process: Execution | null = null;
  #pid: string | null = null;
  #output: ShellOutput | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** Made by Sandbox.shell. */
  constructor(host: ShellHost, options: Pick<ExecOptions, 'cwd' | 'env'>) {
    this.#host = host;
    this.#options = options;
  }

  /** Runs text in the shell, after earlier runs have ended. Never throws on a non-zero exit. */
  run(command: string, options: ShellRunOptions = {}): Promise<ShellRunResult> {
    if (command.includes('\0'))
      return Promise.reject(new ClientError('INVALID_ARGUMENT', 'Cannot run the command: it contains a NUL byte'));
    return this.#enqueue(() => this.#run(command, options));
  }

  /** Ends the shell with all it started and begins a fresh one. Interrupts a run under way. */
  async restart(): Promise<void> {
    await this.#process?.kill();
    await this.#enqueue(() => this.#start());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#process?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(() => {
      if (this.#isClosed) throw new ClientError('CLOSED', 'Cannot use the shell: it was closed');
      return task();
    });
    this.#queue = next.catch(() => undefined);
    return next;
  }

  async #start(): Promise<void> {
    const process = this.#host.exec(BASH, { ...this.#options, stdin: true });
    const output = new ShellOutput();
    this.#process = process;
    this.#output = output;
    void pump(process, output);
    const ready = output.next(newMarker());
    await process.write(PREPARE + markerLine(ready.marker, '$$'));
    const end = await ready.end;
    if (end.status !== null) {
      this.#pid = String(end.status);
      return;
    }
    this.#process = null;
    const { exitCode, reason } = await process.result;
    throw new ClientError(
      'INVALID_ARGUMENT',
      `Cannot start a shell: bash ended with ${exitCode ?? 'no exit code'}${reason === undefined ? '' : ` (${reason})`}`,
      { hint: 'The image needs bash; without it use exec().' },
    );
  }

  async #run(command: string, options: ShellRunOptions): Promise<ShellRunResult> {
    if (this.#process === null) await this.#start();
    const process = this.#process as Execution;
    const output = (this.#output as ShellOutput).next(newMarker(), options);
    const startedAt = performance.now();
    let outcome: ShellRunResult['outcome'] = 'exited';
    const interrupt = (cause: 'timedOut' | 'killed') => {
      if (outcome !== 'exited') return;
      outcome = cause;
      void this.#interrupt(process, output);
    };
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => interrupt('timedOut'), options.timeoutMs);
    const onAbort = () => interrupt('killed');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (options.signal?.aborted === true) return { outcome: 'killed', exitCode: null, ...output.text(), durationMs: 0, stateLost: false };
      await process.write(`{ eval ${quote(command)}; } </dev/null\n${markerLine(output.marker, '$?')}`);
      const end = await output.end;
      if (end.status === null) {
        this.#process = null;
        const result = await process.result;
        return {
          outcome: outcome === 'exited' ? 'ended' : outcome,
          exitCode: outcome === 'exited' ? result.exitCode : null,
          ...output.text(),
          durationMs: performance.now() - startedAt,
          stateLost: true,
        };
      }
      return {
        outcome,
        exitCode: outcome === 'exited' ? end.status : null,
        ...output.text(),
        durationMs: performance.now() - startedAt,
        stateLost: false,
      };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  async #interrupt(process: Execution, output: RunOutput): Promise<void> {
    await process.kill('SIGINT').catch(() => undefined);
    const timer = setTimeout(() => {
      if (this.#pid !== null) void this.#host.exec(['sh', '-c', KILL_DESCENDANTS, 'sh', this.#pid], {}).result.catch(() => undefined);
    }, INTERRUPT_GRACE_MS);
    await output.end;
    clearTimeout(timer);
  }
}

async function pump(process: Execution, output: ShellOutput): Promise<void> {
  try {
    for await (const chunk of process as AsyncIterable<OutputChunk>) output.take(chunk.stream, chunk.bytes);
  } catch {
    // How the process ended, or why that is not known, its result says to whoever waits for a run.
  }
  output.ended();
}

const newMarker = (): string => randomBytes(16).toString('hex');

/** Prints the marker and a number on stdout, the marker on stderr. */
const markerLine = (marker: string, status: string): string => `printf '${marker} %s\\n' "${status}"; printf '${marker}\\n' >&2\n`;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
