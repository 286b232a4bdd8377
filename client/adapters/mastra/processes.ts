// Processes that go on while the agent does something else: commands in the background, known by the ids of their execs.

import {
  ProcessHandle,
  SandboxProcessManager,
  type CommandResult,
  type MastraSandbox,
  type ProcessInfo,
  type SpawnProcessOptions,
} from '@mastra/core/workspace';
import type { ExecOptions } from '../../exec-options.ts';
import type { Execution } from '../../execution.ts';
import type { ExecResult } from '../../protocol/index.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, told } from '../answer.ts';

/** What processes need of their sandbox. */
type ProcessHost = MastraSandbox & { opened(): Promise<Sandbox> };

export class CloisterProcesses extends SandboxProcessManager<ProcessHost> {
  readonly #secrets: readonly string[] | undefined;

  constructor(secrets?: readonly string[]) {
    super();
    this.#secrets = secrets;
  }

  /** No time limit unless `timeout` says one. */
  override async spawn(command: string, options: SpawnProcessOptions = {}): Promise<ProcessHandle> {
    const sandbox = await this.sandbox.opened();
    const asked = { ...execOptions(this.sandbox, options, { secrets: this.#secrets }), timeoutMs: options.timeout, background: true };
    const handle = new CloisterProcess(command, options, (callbacks) =>
      sandbox.exec(command, { ...asked, ...callbacks, ...(options.stdinMode === 'ignore' ? {} : { stdin: true as const }) }),
    );
    this._tracked.set(handle.pid, handle);
    return handle;
  }

  override list(): Promise<ProcessInfo[]> {
    const infos = [...this._tracked.values()].map(({ pid, command, exitCode }) => ({
      pid,
      running: exitCode === undefined,
      ...(command === undefined ? {} : { command }),
      ...(exitCode === undefined ? {} : { exitCode }),
    }));
    return Promise.resolve(infos);
  }
}

type Callbacks = Required<Pick<ExecOptions, 'onStdout' | 'onStderr'>>;

class CloisterProcess extends ProcessHandle {
  readonly pid: string;
  readonly #execution: Execution;
  readonly #ended: Promise<ExecResult>;
  #exitCode: number | undefined;

  constructor(command: string, options: SpawnProcessOptions, start: (callbacks: Callbacks) => Execution) {
    super(options);
    this.command = command;
    this.#execution = start({ onStdout: (text) => this.emitStdout(text), onStderr: (text) => this.emitStderr(text) });
    this.pid = this.#execution.id;
    this.#ended = this.#end();
    // Who waits hears of a failure; nobody has to.
    this.#ended.catch(() => undefined);
  }

  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  override async wait(): Promise<CommandResult> {
    const result = commandResult(await told(() => this.#ended));
    const { stdout, stderr, stdoutTruncated, stderrTruncated, stdoutDroppedBytes, stderrDroppedBytes } = this;
    return { ...result, stdout, stderr, stdoutTruncated, stderrTruncated, stdoutDroppedBytes, stderrDroppedBytes };
  }

  async kill(): Promise<boolean> {
    if (this.#exitCode !== undefined) return false;
    await told(() => this.#execution.kill());
    await this.#ended.catch(() => undefined);
    return true;
  }

  async sendStdin(data: string): Promise<void> {
    await told(() => this.#execution.write(data));
  }

  override async closeStdin(): Promise<void> {
    await told(async () => this.#execution.closeStdin());
  }

  async #end(): Promise<ExecResult> {
    const result = await this.#execution.result;
    // Why it did not end by itself is said where a model looks.
    const remark = answerOf({ ...result, stdout: '', stderr: '' }).stderr;
    if (remark !== '') this.emitStderr(remark);
    this.#exitCode = answerOf(result).exitCode;
    return result;
  }
}

export function execOptions(sandbox: ProcessHost, options: SpawnProcessOptions, defaults: CommandOptions): ExecOptions {
  const env = Object.entries({ ...sandbox.getEnv(), ...options.env }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    cwd: options.cwd ?? sandbox.workingDirectory,
    env: Object.fromEntries(env),
    timeoutMs: options.timeout ?? defaults.timeoutMs,
    signal: options.abortSignal,
    secrets: defaults.secrets,
  };
}

export function commandResult(result: ExecResult): CommandResult {
  const { stdout, stderr, exitCode } = answerOf(result);
  const { outcome, droppedBytes, durationMs } = result;
  return {
    success: outcome === 'exited' && exitCode === 0,
    exitCode,
    stdout,
    stderr,
    executionTimeMs: durationMs,
    timedOut: outcome === 'timedOut' || outcome === 'idleTimedOut',
    killed: outcome !== 'exited' && outcome !== 'denied',
    stdoutTruncated: droppedBytes.stdout > 0,
    stderrTruncated: droppedBytes.stderr > 0,
    stdoutDroppedBytes: droppedBytes.stdout,
    stderrDroppedBytes: droppedBytes.stderr,
  };
}
