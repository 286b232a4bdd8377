// `cloister exec`: a command in a session that is open.

import type { Command } from 'commander';
import { act } from './act.ts';
import type { CliContext } from './context.ts';
import { EXIT_FAILURE } from './exit-code.ts';
import { joinSession } from './join-session.ts';
import { streamCommand } from './stream-command.ts';
import { runInTerminal } from './terminal.ts';

export function addExecCommand(program: Command, context: CliContext): void {
  program
    .command('exec')
    .description('run a command in an open session, beside its controller')
    .argument('<session>', 'session name or sandbox id')
    .argument('<command...>', 'program and arguments, after --')
    .option('-t, --tty', 'give the command a terminal')
    .passThroughOptions()
    .action((session: string, words: string[], flags: { readonly tty?: boolean }) =>
      act(context, EXIT_FAILURE, async (cloister) => {
        // What follows the session passes through as it is, the separator too.
        const command = words[0] === '--' ? words.slice(1) : words;
        const sandbox = await joinSession(cloister, session);
        return await (flags.tty === true ? runInTerminal(context, sandbox, command) : streamCommand(context, sandbox, command, {}));
      }),
    );
}
