// `cloister extend`: gives a sandbox more time.

import type { Command } from 'commander';
import { act, printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { parseDuration } from './duration.ts';
import { findSandbox } from './join-session.ts';

export function addExtendCommand(program: Command, context: CliContext): void {
  program
    .command('extend')
    .description('let a sandbox live this long from now')
    .argument('<id>', 'sandbox id or session name')
    .argument('<duration>', 'for example 30m or 12h', parseDuration)
    .action((id: string, ttlMs: number) =>
      act(context, 1, async (cloister) => {
        const { id: sandbox } = await findSandbox(cloister, id);
        const info = await cloister.extendSandbox(sandbox, { ttlMs });
        if (context.json) printJson(context, info);
        else context.out.write(`${info.id} expires ${info.expiresAt ?? 'never'}\n`);
        return 0;
      }),
    );
}
