// The three calls that the bash-tool package makes of a sandbox.

import type { Sandbox as BashToolSandbox } from 'bash-tool';
import type { Sandbox } from '../../sandbox.ts';
import { answerOf, type CommandOptions, commandOptions, told } from '../answer.ts';

/**
 * A sandbox for `createBashTool({ sandbox })`; its `destination` is /workspace unless it is told another one below that.
 * @example const { tools } = await createBashTool({ sandbox: createBashToolSandbox(sandbox), files });
 */
export function createBashToolSandbox(sandbox: Sandbox, options: CommandOptions = {}): BashToolSandbox {
  const execOptions = commandOptions(options);
  return {
    async executeCommand(command) {
      const { stdout, stderr, exitCode } = answerOf(await told(() => sandbox.exec(command, execOptions).result));
      return { stdout, stderr, exitCode };
    },
    readFile: (path) => told(() => sandbox.files.readText(path)),
    async writeFiles(files) {
      for (const { path, content } of files) await told(() => sandbox.files.write(path, content));
    },
  };
}
