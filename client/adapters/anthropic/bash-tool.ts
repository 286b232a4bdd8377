// `bash_20250124`: one persistent bash whose directory, variables and jobs survive from call to call, until `restart`.

import type { BetaToolBash20250124 } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { z } from 'zod';
import type { Sandbox } from '../../sandbox.ts';
import type { Shell, ShellRunResult } from '../../shell.ts';
import { DEFAULT_TIMEOUT_MS, told } from '../answer.ts';

export interface BashToolOptions {
  /** Directory the shell starts in; the workspace unless given. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds a command may take; default 120,000. It is interrupted then and the shell goes on. */
  readonly timeoutMs?: number | undefined;
}

const BashInput = z.object({ command: z.string().optional(), restart: z.boolean().optional(), timeout_ms: z.int().min(1).optional() });
export type BashInput = z.infer<typeof BashInput>;

/**
 * @example
 *   const tools = [createBashTool(sandbox), createTextEditorTool(sandbox)];
 *   const message = await anthropic.beta.messages.toolRunner({ model, max_tokens, messages, tools });
 */
export function createBashTool(sandbox: Sandbox, options: BashToolOptions = {}): BetaRunnableTool<BashInput> {
  const session = new BashSession(sandbox, options);
  return {
    type: 'bash_20250124',
    name: 'bash',
    parse: (content) => BashInput.parse(content),
    run: async (input, context) => {
      const { text } = await session.call(input, context?.signal ?? undefined);
      return text;
    },
    close: () => session.close(),
  } satisfies BetaToolBash20250124 & BetaRunnableTool<BashInput>;
}

/** The shell, opened when it is first used. */
export class BashSession {
  readonly #sandbox: Sandbox;
  readonly #options: BashToolOptions;
  #shell: Promise<Shell> | null = null;

  constructor(sandbox: Sandbox, options: BashToolOptions) {
    this.#sandbox = sandbox;
    this.#options = options;
  }

  call(
    { command, restart, timeout_ms }: BashInput,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly text: string; readonly isError: boolean }> {
    return told(async () => {
      if (restart === true) await this.#restart();
      if (command === undefined || command === '') {
        if (restart === true) return { text: 'bash session restarted', isError: false };
        throw new Error('Cannot run the command: it is empty');
      }
      const shell = await this.#opened();
      const timeoutMs = timeout_ms ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      return describe(await shell.run(command, { timeoutMs, signal }), timeoutMs);
    });
  }

  async close(): Promise<void> {
    const shell = this.#shell;
    this.#shell = null;
    await (await shell)?.close();
  }

  async #restart(): Promise<void> {
    if (this.#shell !== null) await (await this.#shell).restart();
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

function describe(result: ShellRunResult, timeoutMs: number): { readonly text: string; readonly isError: boolean } {
  const { outcome, exitCode, stateLost } = result;
  const remarks = [
    outcome === 'timedOut' ? `[timed out after ${timeoutMs} ms and was interrupted]` : '',
    outcome === 'killed' ? '[interrupted]' : '',
    exitCode !== null && exitCode !== 0 ? `[exit code ${exitCode}]` : '',
    stateLost ? '[the bash session ended; the next command starts a fresh one]' : '',
  ];
  const parts = [result.stdout, result.stderr, ...remarks].map((part) => part.replace(/\n$/, '')).filter((part) => part !== '');
  return { text: parts.join('\n'), isError: outcome !== 'exited' || exitCode !== 0 };
}
