// Processes that go on while the agent does something else: commands in the background, known by the ids of their execs.

import * as mastra from '@mastra/core/workspace';
import type { ExecOptions } from '../../exec-options.ts';
import type { ExecResult } from '../../protocol/index.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf } from '../answer.ts';
import { RunningCommand } from '../running-command.ts';

/** What processes need of their sandbox. */
type ProcessHost = mastra.MastraSandbox & { opened(): Promise<Sandbox> };

export class CloisterProcesses extends mastra.SandboxProcessManager<ProcessHost> {
  readonly #secrets: readonly string[] | undefined;

  constructor(secrets?: readonly string[]) {
    super();
    this.#secrets = secrets;
  }

  /** No time limit unless `timeout` says one. */
  override async spawn(command: string, options: mastra.SpawnProcessOptions = {}): Promise<mastra.ProcessHandle> {
    const sandbox = await this.sandbox.opened();
    const stdin = options.stdinMode === 'ignore' ? undefined : (true as const);
    const asked = { ...execOptions(this.sandbox, options), secrets: this.#secrets, background: true, stdin };
    const handle = new CloisterProcess(options, (heard) => sandbox.exec(command, { ...asked, ...heard }));
    this._tracked.set(handle.pid, handle);
    return handle;
  }

  override list(): Promise<mastra.ProcessInfo[]> {
    const infos = [...this._tracked.values()].map(({ pid, command = '', exitCode }) => ({
      pid,
      command,
      running: exitCode === undefined,
      ...(exitCode === undefined ? {} : { exitCode }),
    }));
    return Promise.resolve(infos);
  }
}

class CloisterProcess extends mastra.ProcessHandle {
  readonly #running: RunningCommand;

  constructor(options: mastra.SpawnProcessOptions, start: ConstructorParameters<typeof RunningCommand>[0]) {
    super(options);
    this.#running = new RunningCommand(start, { onStdout: (text) => this.emitStdout(text), onStderr: (text) => this.emitStderr(text) });
  }

  get pid(): string {
    return this.#running.id;
  }

  get exitCode(): number | undefined {
    return this.#running.exitCode;
  }

  /** What was dropped of the output the base class says. */
  override async wait(): Promise<mastra.CommandResult> {
    return { ...commandResult(await this.#running.ended), stdout: this.stdout, stderr: this.stderr };
  }

  async kill(): Promise<boolean> {
    return await this.#running.kill();
  }

  async sendStdin(data: string): Promise<void> {
    await this.#running.write(data);
  }

  override async closeStdin(): Promise<void> {
    await this.#running.closeStdin();
  }
}

export function execOptions(sandbox: ProcessHost, { cwd, env, timeout, abortSignal }: mastra.SpawnProcessOptions): ExecOptions {
  const set = Object.entries({ ...sandbox.getEnv(), ...env }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { cwd: cwd ?? sandbox.workingDirectory, env: Object.fromEntries(set), timeoutMs: timeout, signal: abortSignal };
}

export function commandResult(result: ExecResult): mastra.CommandResult {
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
