// `cloister kill`: ends a sandbox and everything in it.

import type { Command } from 'commander';
import { act, printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { findSandbox } from './join-session.ts';

export function addKillCommand(program: Command, context: CliContext): void {
  program
    .command('kill')
    .description('end a sandbox; its workspace is kept unless it was opened otherwise')
    .argument('<id>', 'sandbox id or session name')
    .action((id: string) =>
      act(context, 1, async (cloister) => {
        const { id: sandbox } = await findSandbox(cloister, id);
        await cloister.closeSandbox(sandbox);
        if (context.json) printJson(context, { id: sandbox });
        return 0;
      }),
    );
}
