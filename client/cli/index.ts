// The verbs that only need a connection, for the program that offers them.

import type { Command } from 'commander';
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
  for (const add of [addRunCommand, addExecCommand, addShellCommand, addCpCommand, addPsCommand, addKillCommand, addExtendCommand])
    add(program, context);
}
