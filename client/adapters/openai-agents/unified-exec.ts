// Commands that are gone on with: started, answered after a while with what there is, and taken up again by a number.
// Each keeps its stream, so that its output is gathered in order between two answers and its terminal can be typed into.

import type { ExecCommandArgs, SandboxExecResult, WriteStdinArgs } from '@openai/agents/sandbox';
import type { ExecOptions } from '../../exec-options.ts';
import type { Execution } from '../../execution.ts';
import type { OutputChunk } from '../../output-chunk.ts';
import type { ExecResult } from '../../protocol/index.ts';
import { ModelOutput } from '../../protocol/model-output.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, remarkOf, told } from '../answer.ts';
import { shortened } from './shell.ts';

const EXEC_YIELD_MS = 10_000;
const POLL_YIELD_MS = 250;
const MAX_RUNNING = 64;
const CHARACTERS_PER_TOKEN = 4;
const TERMINAL = { columns: 120, rows: 40 };
const INTERRUPT = '\u0003';

export class UnifiedExec {
  readonly #sandbox: Sandbox;
  readonly #defaults: ExecOptions;
  readonly #running = new Map<number, RunningCommand>();
  #lastNumber = 0;

  constructor(sandbox: Sandbox, defaults: ExecOptions) {
    this.#sandbox = sandbox;
    this.#defaults = defaults;
  }

  /** `yieldTimeMs` limits the wait, not the command: what still runs then goes on and has a `sessionId`. */
  async start(args: ExecCommandArgs, env: Readonly<Record<string, string>>): Promise<SandboxExecResult> {
    const { cmd, workdir, shell, login, tty = false, yieldTimeMs = EXEC_YIELD_MS, maxOutputTokens } = args;
    if (this.#running.size >= MAX_RUNNING) {
      throw new Error(`Cannot run the command: ${MAX_RUNNING} are running\nhint: Wait for some of them with write_stdin.`);
    }
    const command = shell === undefined ? cmd : [shell, login === true ? '-lc' : '-c', cmd];
    const own = { cwd: workdir ?? this.#defaults.cwd, env: { ...this.#defaults.env, ...env }, ...(tty ? { pty: TERMINAL } : {}) };
    const running = new RunningCommand(tty, (keep) =>
      this.#sandbox.exec(command, { ...this.#defaults, ...own, onStdout: keep, onStderr: keep }),
    );
    return await this.#answer(null, running, yieldTimeMs, maxOutputTokens);
  }

  async goOn({ sessionId, chars = '', yieldTimeMs = POLL_YIELD_MS, maxOutputTokens }: WriteStdinArgs): Promise<SandboxExecResult> {
    const running = this.#running.get(sessionId);
    if (running === undefined) return refused(`write_stdin failed: session not found: ${sessionId}`);
    const { execution, isTerminal } = running;
    if (chars !== '' && isTerminal) await told(() => execution.write(chars));
    else if (chars.includes(INTERRUPT)) await told(() => execution.kill('SIGINT'));
    else if (chars !== '') return { ...refused('write_stdin failed: stdin is closed; start the command with tty=true'), sessionId };
    return await this.#answer(sessionId, running, yieldTimeMs, maxOutputTokens);
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    const left = [...this.#running.values()];
    this.#running.clear();
    await Promise.all(left.map(({ execution }) => execution.kill().catch(() => undefined)));
  }

  /** A command gets its number with the first answer that finds it running. */
  async #answer(known: number | null, running: RunningCommand, waitMs: number, maxOutputTokens?: number): Promise<SandboxExecResult> {
    const startedAt = performance.now();
    const result = await told(() => running.resultWithin(waitMs)).catch((error: unknown) => {
      this.#forget(known);
      throw error;
    });
    if (result !== null) this.#forget(known);
    const taken = running.take();
    const text = result === null ? taken : taken + remarkOf(result);
    const output = shortened(text, maxOutputTokens === undefined ? undefined : maxOutputTokens * CHARACTERS_PER_TOKEN);
    const end = result === null ? { exitCode: null, sessionId: this.#numbered(known, running) } : { exitCode: answerOf(result).exitCode };
    return { output, stdout: text, stderr: '', wallTimeSeconds: (performance.now() - startedAt) / 1000, ...end };
  }

  #forget(known: number | null): void {
    if (known !== null) this.#running.delete(known);
  }

  #numbered(known: number | null, running: RunningCommand): number {
    if (known === null) this.#lastNumber += 1;
    const number = known ?? this.#lastNumber;
    this.#running.set(number, running);
    return number;
  }
}

class RunningCommand {
  readonly execution: Execution;
  readonly isTerminal: boolean;
  /** Both streams since the last answer. */
  #kept = new ModelOutput();

  constructor(isTerminal: boolean, start: (keep: (text: string, chunk: OutputChunk) => void) => Execution) {
    this.isTerminal = isTerminal;
    this.execution = start((_, { bytes }) => this.#kept.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  }

  /** null: it still runs. */
  async resultWithin(waitMs: number): Promise<ExecResult | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, waitMs, null)));
    try {
      return await Promise.race([this.execution.result, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  take(): string {
    const { text } = this.#kept.read();
    this.#kept = new ModelOutput();
    return text;
  }
}

/** As the SDK's own sandboxes tell it to a model. */
export function formatted({ output, wallTimeSeconds, exitCode, sessionId }: SandboxExecResult): string {
  const end =
    sessionId === undefined ? `Process exited with code ${exitCode ?? 'unknown'}` : `Process running with session ID ${sessionId}`;
  return [`Wall time: ${wallTimeSeconds.toFixed(4)} seconds`, end, 'Output:', output].join('\n');
}

const refused = (output: string): SandboxExecResult => ({ output, stdout: '', stderr: output, wallTimeSeconds: 0, exitCode: 1 });
