// `cloister run`: open, run, stream, close.

import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { OpenOptions } from '../client.ts';
import { act } from './act.ts';
import type { CliContext } from './context.ts';
import { parseDuration } from './duration.ts';
import { EXIT_FAILURE } from './exit-code.ts';
import { streamCommand } from './stream-command.ts';

interface RunFlags {
  readonly session?: string;
  readonly image?: string;
  readonly profile?: string;
  readonly allow: readonly string[];
  readonly timeout?: number;
  readonly keep?: boolean;
}

export function addRunCommand(program: Command, context: CliContext): void {
  program
    .command('run')
    .description('open a sandbox, run a command in it, stream its output, close it')
    .argument('<command...>', 'program and arguments, after --')
    .option('--session <name>', 'session to open; its workspace is kept (default: a new one, deleted afterwards)')
    .option('--image <name>', 'image of the allowlist')
    .option('--profile <name>', 'what the sandbox may do')
    .option(
      '--allow <host>',
      'host the command may reach; repeatable; selects profile workspace-write',
      (host, all: readonly string[]) => [...all, host],
      [],
    )
    .option('--timeout <duration>', 'end the command after this time, for example 60s', parseDuration)
    .option('--keep', 'leave the sandbox open')
    .passThroughOptions()
    .action((command: string[], flags: RunFlags) =>
      act(context, EXIT_FAILURE, async (cloister) => {
        const session = flags.session ?? `run-${randomBytes(8).toString('hex')}`;
        const sandbox = await cloister.open(openOptions(session, flags));
        try {
          return await streamCommand(context, sandbox, command, { timeoutMs: flags.timeout });
        } finally {
          if (flags.keep !== true) await sandbox.close(flags.session === undefined ? { workspace: 'delete' } : {});
          else if (flags.session === undefined) context.err.write(`cloister: session ${session} is kept\n`);
        }
      }),
    );
}

function openOptions(session: string, { image, profile, allow }: RunFlags): OpenOptions {
  const network: Partial<OpenOptions> = allow.length === 0 ? {} : { egress: { allow: [...allow] } };
  const chosen = profile ?? (allow.length === 0 ? undefined : 'workspace-write');
  return { session, image, profile: chosen, ...network };
}
