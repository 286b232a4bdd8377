// `cloister ps`: the sandboxes that live.

import type { Command } from 'commander';
import type { SandboxInfo } from '../protocol/index.ts';
import { act, printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { formatDuration } from './duration.ts';
import { formatTable } from './table.ts';

export function addPsCommand(program: Command, context: CliContext): void {
  program
    .command('ps')
    .description('list the sandboxes this token may see')
    .option('--tenant <name>', 'only those of this tenant')
    .action((flags: { readonly tenant?: string }) =>
      act(context, 1, async (cloister) => {
        const sandboxes = await cloister.list(flags.tenant === undefined ? {} : { tenant: flags.tenant });
        if (context.json) printJson(context, sandboxes);
        else
          context.out.write(
            formatTable(['ID', 'TENANT', 'SESSION', 'STATE', 'PROFILE', 'IMAGE', 'EXECS', 'AGE', 'EXPIRES'], sandboxes.map(rowOf)),
          );
        return 0;
      }),
    );
}

function rowOf(info: SandboxInfo): readonly string[] {
  const age = formatDuration(Date.now() - Date.parse(info.createdAt));
  return [info.id, info.tenant, info.session, info.state, info.profile, info.image, String(info.execs), age, info.expiresAt ?? '-'];
}
