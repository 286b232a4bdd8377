// The Shell of `shellTool`: commands one after the other, each in a shell of its own.

import type { Shell, ShellOutputResult } from '@openai/agents';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, commandOptions, shortened, told } from '../answer.ts';

/** @example const agent = new Agent({ name, tools: [shellTool({ shell: createShell(sandbox) })] }); */
export function createShell(sandbox: Sandbox, options: CommandOptions = {}): Shell {
  const defaults = commandOptions(options);
  return {
    async run({ commands, timeoutMs = defaults.timeoutMs, maxOutputLength }) {
      const output: ShellOutputResult[] = [];
      for (const command of commands) {
        const result = await told(() => sandbox.exec(command, { ...defaults, timeoutMs }).result);
        const { stdout, stderr, exitCode } = answerOf(result);
        const outcome = result.outcome === 'timedOut' ? ({ type: 'timeout' } as const) : ({ type: 'exit', exitCode } as const);
        output.push({ stdout: shortened(stdout, maxOutputLength), stderr: shortened(stderr, maxOutputLength), outcome });
      }
      return { output, ...(maxOutputLength === undefined ? {} : { maxOutputLength }) };
    },
  };
}
