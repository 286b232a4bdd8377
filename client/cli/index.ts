// The verbs that only need a connection, for the program that offers them.

import { Option, type Command } from 'commander';
import type { CliContext } from './context.ts';
import { addCpCommand } from './cp.ts';
import { addExecCommand } from './exec.ts';
import { addExtendCommand } from './extend.ts';
import { addKillCommand } from './kill.ts';
import { addPsCommand } from './ps.ts';
import { addRunCommand } from './run.ts';
import { addShellCommand } from './shell.ts';

export type { CliContext } from './context.ts';

export function addClientCommands(program: Command, context: CliContext): void {
  const others = new Set(program.commands);
  for (const add of [addRunCommand, addExecCommand, addShellCommand, addCpCommand, addPsCommand, addKillCommand, addExtendCommand])
    add(program, context);
  for (const verb of program.commands) if (!others.has(verb)) acceptGlobalOptions(program, verb);
}

/** Global options may stand behind the verb as well. */
function acceptGlobalOptions(program: Command, verb: Command): void {
  for (const option of program.options) {
    if (option.long === '--version' || verb.options.some(({ long }) => long === option.long)) continue;
    verb.addOption(new Option(option.flags, option.description).hideHelp());
    verb.on(`option:${option.name()}`, (value: string | null) => program.setOptionValue(option.attributeName(), value ?? true));
  }
}
