// A shell that keeps its state between runs: one bash process, one run at a time. Owns where a run's output ends and how
// a run is interrupted; the process itself is an ordinary Execution.
//
// bash reads one line per run from a pipe: print a mark, `eval` the run's text, print a mark with its status. bash takes in
// the whole line before it does any of it, so nothing that knows the marker lies where the run could read it. Marks go to
// copies of stdout and stderr, which a run that redirects the shell's own leaves alone.
// A run that reads bash's memory could end itself early: then it has lied about itself and about no other.
//
// An interrupt is SIGINT to the shell's process group, then a line that prints a mark of its own: the signal drops whatever
// is left of the run, its closing mark included. It is sent only while a run is executed, because bash would also drop what
// it has read of a line, and its line begins with newlines, of which nothing is missed.

import { randomBytes } from 'node:crypto';
import { ClientError } from './errors.ts';
import type { Execution } from './execution.ts';
import type { ExecOptions } from './exec-options.ts';
import type { OutputChunk } from './output-chunk.ts';
import { JOB, type RunOutput, ShellOutput, STARTED, STILL_THERE } from './shell-output.ts';

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

const INTERRUPTS = 4;
const FIRST_GRACE_MS = 2000;
const GRACE_MS = 1000;
/** Interactive, because only such a bash survives SIGINT and drops the rest of the run; everything else of that is switched off. */
const BASH = ['bash', '--noprofile', '--norc', '--noediting', '-i'];
/** Copies of stdout and stderr, where commands do not look for any. */
const OUT = 198;
const ERR = 199;
/** Prints a mark for each child there is: the jobs of earlier runs. */
const JOBS = '__cloister_jobs';
const PREPARE = `PS1= PS2=; set +H +o history; shopt -u checkwinsize; exec ${OUT}>&1 ${ERR}>&2
${JOBS}() {
  \\builtin local ${JOBS}= IFS=' '
  if \\builtin read -r ${JOBS} </proc/$$/task/$$/children; then \\builtin :; fi
  for ${JOBS} in $${JOBS}; do \\builtin printf '%s:%d\\n' "$1" "$((${JOB} + ${JOBS}))" >&${OUT}; done
}
`;
/** SIGKILL to the descendants of a process, but for those that were there before the run and what these started. */
const KILL_DESCENDANTS =
  'tree() ( for child in $(cat /proc/$1/task/*/children 2>/dev/null); do case " $keep " in *" $child "*) ;; *) echo $child; tree $child ;; esac; done ); keep=$2; kill -9 $(tree "$1")';

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
  #doomed: Execution | null = null;
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
    await this.#kill();
    await this.#enqueue(() => this.#start());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** An interactive bash outlives SIGTERM for a moment and could still tell how its run ended: that run is over all the same. */
  async #kill(): Promise<void> {
    this.#doomed = this.#process;
    await this.#process?.kill();
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
    await process.write(`${PREPARE}${mark(ready.marker, '$$')}\n`);
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
    let interrupting: Promise<void> | undefined;
    const interrupt = (cause: 'timedOut' | 'killed') => {
      if (outcome !== 'exited') return;
      outcome = cause;
      interrupting = this.#interrupt(process, output);
    };
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => interrupt('timedOut'), options.timeoutMs);
    const onAbort = () => interrupt('killed');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (options.signal?.aborted === true) return { outcome: 'killed', exitCode: null, ...output.text(), durationMs: 0, stateLost: false };
      await process.write(runLine(output.marker, command));
      const end = await output.end;
      await interrupting;
      if (end.status === null || this.#doomed === process) {
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

  /** Ends the run; where neither SIGINT nor the death of what it started does, the shell goes too. */
  async #interrupt(process: Execution, output: RunOutput): Promise<void> {
    for (let n = 1; n <= INTERRUPTS; n += 1) {
      const graceMs = n === 1 ? FIRST_GRACE_MS : GRACE_MS;
      await within(output.started, graceMs);
      if (n > 1) await this.#killStarted(output);
      if (output.isOver) return;
      output.expect(STILL_THERE + n);
      try {
        await process.kill('SIGINT');
        void process.write(`\n\n\n\n${mark(output.marker, String(STILL_THERE + n))}\n`).catch(() => undefined);
      } catch {
        // The connection is lost for good or the shell has ended: its result says which.
        return;
      }
      if (await within(output.end, graceMs)) return;
    }
    await process.kill().catch(() => undefined);
  }

  async #killStarted({ jobs }: RunOutput): Promise<void> {
    if (this.#pid === null) return;
    await this.#host
      .exec(['sh', '-c', KILL_DESCENDANTS, 'sh', this.#pid, jobs.join(' ')], { timeoutMs: 5000 })
      .result.catch(() => undefined);
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

/** Prints a mark on both streams, and shows nothing of it when the shell traces. No quotes: bash may lose the beginning of it to an interrupt and must not wait for one. */
const mark = (marker: string, code: string): string =>
  `{ ${[OUT, ERR].map((fd) => `\\builtin printf %s:%s\\\\n ${marker} ${code} >&${fd}`).join('; ')}; } 2>/dev/null`;

/** After a run with an open quote bash takes its next token for the rest of that command, unless it is a newline. */
const runLine = (marker: string, command: string): string =>
  `\n{ ${JOBS} ${marker}; } 2>/dev/null; ${mark(marker, String(STARTED))}; { \\builtin eval ${quote(command)}; } </dev/null; ${mark(marker, '$?')}\n`;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** False: it had not settled when the time was over. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
