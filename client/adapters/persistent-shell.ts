// A bash that keeps directory, variables and jobs from call to call, as the text a model is told. Opened when it is first used.
// Knows no framework.

import type { Sandbox } from '../sandbox.ts';
import type { Shell, ShellRunResult } from '../shell.ts';
import { type CommandOptions, DEFAULT_TIMEOUT_MS, told } from './answer.ts';

/** `timeoutMs`: a command is interrupted then and the shell goes on. */
export type ShellOptions = Pick<CommandOptions, 'cwd' | 'env' | 'timeoutMs'>;

interface ShellCall {
  readonly command?: string | undefined;
  /** Begin afresh first. */
  readonly restart?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | null | undefined;
}

interface ShellAnswer {
  readonly text: string;
  /** The command failed, or did not end by itself. */
  readonly isError: boolean;
}

export class PersistentShell {
  readonly #sandbox: Sandbox;
  readonly #options: ShellOptions;
  #shell: Promise<Shell> | null = null;

  constructor(sandbox: Sandbox, options: ShellOptions) {
    this.#sandbox = sandbox;
    this.#options = options;
  }

  call({ command, restart, timeoutMs, signal }: ShellCall): Promise<ShellAnswer> {
    return told(async () => {
      if (restart === true) await (await this.#shell)?.restart();
      if (command === undefined || command === '') {
        if (restart === true) return { text: 'bash session restarted', isError: false };
        throw new Error('Cannot run the command: it is empty');
      }
      const shell = await this.#opened();
      const limitMs = timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      return describe(await shell.run(command, { timeoutMs: limitMs, signal: signal ?? undefined }), limitMs);
    });
  }

  async close(): Promise<void> {
    const shell = this.#shell;
    this.#shell = null;
    await (await shell)?.close();
  }

  #opened(): Promise<Shell> {
    this.#shell ??= this.#sandbox.shell({ cwd: this.#options.cwd, env: this.#options.env }).catch((error: unknown) => {
      // The next call tries again.
      this.#shell = null;
      throw error;
    });
    return this.#shell;
  }
}

function describe({ outcome, exitCode, stateLost, stdout, stderr }: ShellRunResult, timeoutMs: number): ShellAnswer {
  const remarks = [
    outcome === 'timedOut' ? `[timed out after ${timeoutMs} ms and was interrupted]` : '',
    outcome === 'killed' ? '[interrupted]' : '',
    exitCode !== null && exitCode !== 0 ? `[exit code ${exitCode}]` : '',
    stateLost ? '[the bash session ended; the next command starts a fresh one]' : '',
  ];
  const parts = [stdout, stderr, ...remarks].map((part) => part.replace(/\n$/, '')).filter((part) => part !== '');
  return { text: parts.join('\n'), isError: outcome !== 'exited' || exitCode !== 0 };
}
