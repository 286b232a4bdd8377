// `cloister shell`: an interactive shell in a session that is open.

import type { Command } from 'commander';
import { act } from './act.ts';
import type { CliContext } from './context.ts';
import { EXIT_FAILURE } from './exit-code.ts';
import { joinSession } from './join-session.ts';
import { runInTerminal } from './terminal.ts';

/** bash where the image has one. */
const SHELL = 'command -v bash >/dev/null 2>&1 && exec bash -i; exec sh -i';

export function addShellCommand(program: Command, context: CliContext): void {
  program
    .command('shell')
    .description('an interactive shell in an open session')
    .argument('<session>', 'session name or sandbox id')
    .action((session: string) =>
      act(context, EXIT_FAILURE, async (cloister) => runInTerminal(context, await joinSession(cloister, session), SHELL)),
    );
}
