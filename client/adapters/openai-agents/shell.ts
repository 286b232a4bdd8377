// The Shell of `shellTool`: commands one after the other, each in a shell of its own.

import type { Shell, ShellOutputResult } from '@openai/agents';
import { ModelOutput } from '../../protocol/model-output.ts';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, commandOptions, told } from '../answer.ts';

/** @example const agent = new Agent({ name, tools: [shellTool({ shell: createShell(sandbox) })] }); */
export function createShell(sandbox: Sandbox, options: CommandOptions = {}): Shell {
  const defaults = commandOptions(options);
  return {
    async run({ commands, timeoutMs, maxOutputLength }) {
      const output: ShellOutputResult[] = [];
      for (const command of commands) {
        const result = await told(() => sandbox.exec(command, { ...defaults, timeoutMs: timeoutMs ?? defaults.timeoutMs }).result);
        const { stdout, stderr, exitCode } = answerOf(result);
        output.push({
          stdout: shortened(stdout, maxOutputLength),
          stderr: shortened(stderr, maxOutputLength),
          outcome: result.outcome === 'timedOut' ? { type: 'timeout' } : { type: 'exit', exitCode },
        });
      }
      return { output, ...(maxOutputLength === undefined ? {} : { maxOutputLength }) };
    },
  };
}

/** Head and tail of a text, at most `characters` of it. */
export function shortened(text: string, characters: number | undefined): string {
  if (characters === undefined || text.length <= characters) return text;
  const kept = new ModelOutput({ characters });
  kept.append(Buffer.from(text));
  return kept.read().text;
}
