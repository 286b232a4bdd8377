// `cloister config`: what is in force, reading it again, taking a change back.

import type { Command } from 'commander';
import { act, printJson } from '../../client/cli/act.ts';
import { type CliContext } from '../../client/cli/index.ts';
import type { ConfigChange } from '../../client/index.ts';
import { loadConfig } from '../load-config.ts';
import { maskedConfig } from '../mask-config.ts';
import { isStateDirLocked } from '../observe/state-lock.ts';
import type { CliProcess } from './context.ts';

export function addConfigCommand(program: Command, cli: CliProcess, context: CliContext): void {
  const config = program.command('config').description('the configuration: show it, read it again, take a change back');
  config
    .command('print')
    .description("the daemon's configuration in force, or without a daemon what it would be; secrets masked")
    .option('--config <file>', 'configuration file, without a daemon')
    .action(async (flags: { readonly config?: string }, command: Command) => {
      const { url } = command.optsWithGlobals<{ readonly url?: string }>();
      const isRemote = url !== undefined || cli.env['CLOISTER_URL'] !== undefined;
      const here =
        isRemote && flags.config === undefined
          ? null
          : loadConfig({ file: flags.config ?? cli.env['CLOISTER_CONFIG'], env: cli.env, options: {} });
      const isOnline =
        here === null || (flags.config === undefined && cli.isRoot && (await isStateDirLocked(here.stateDir).catch(() => false)));
      if (!isOnline && here !== null) {
        cli.out.write(`${JSON.stringify(maskedConfig(here), null, context.json ? 0 : 2)}\n`);
        return;
      }
      await act(context, 1, async ({ operations }) => {
        const { config: inForce } = await operations.config();
        cli.out.write(`${JSON.stringify(inForce, null, context.json ? 0 : 2)}\n`);
        return 0;
      });
    });
  config
    .command('reload')
    .description('have the daemon read its configuration again: all of it holds then, or nothing has changed')
    .action(() => act(context, 1, async ({ operations }) => told(context, await operations.reloadConfig())));
  config
    .command('revert')
    .description('have the daemon go back to what held before the last change; the file is left as it is')
    .action(() => act(context, 1, async ({ operations }) => told(context, await operations.revertConfig())));
}

function told(context: CliContext, change: ConfigChange): number {
  if (context.json) printJson(context, change);
  else context.out.write(change.changed.length === 0 ? 'nothing changed\n' : `changed: ${change.changed.join(', ')}\n`);
  return 0;
}
