// `cloister ps`: the sandboxes that live.

import { InvalidArgumentError, type Command } from 'commander';
import type { ListSandboxesOptions } from '../client.ts';
import { SandboxState, type SandboxInfo } from '../protocol/index.ts';
import { act, printJson } from './act.ts';
import type { CliContext } from './context.ts';
import { formatDuration } from './duration.ts';
import { formatTable, tableOptionsOf } from './table.ts';

interface PsFlags {
  readonly tenant?: string;
  readonly state?: SandboxInfo['state'];
  readonly label: Readonly<Record<string, string>>;
}

export function addPsCommand(program: Command, context: CliContext): void {
  program
    .command('ps')
    .description('list the sandboxes this token may see')
    .option('--tenant <name>', 'only those of this tenant')
    .option('--state <state>', `only those that are ${SandboxState.options.join(', ')}`, parseState)
    .option('--label <name=value>', 'only those with this label; repeatable', addLabel, {})
    .action((flags: PsFlags) =>
      act(context, 1, async (cloister) => {
        const { tenant, state, label } = flags;
        const asked: ListSandboxesOptions = { tenant, state, ...(Object.keys(label).length === 0 ? {} : { labels: label }) };
        const sandboxes = await cloister.list(asked);
        if (context.json) printJson(context, sandboxes);
        else
          context.out.write(
            formatTable(
              ['ID', 'TENANT', 'SESSION', 'STATE', 'PROFILE', 'IMAGE', 'EXECS', 'AGE', 'EXPIRES'],
              sandboxes.map(rowOf),
              tableOptionsOf(context.out),
            ),
          );
        return 0;
      }),
    );
}

function rowOf(info: SandboxInfo): readonly string[] {
  const now = Date.now();
  const age = formatDuration(now - Date.parse(info.createdAt));
  const expires = info.expiresAt === null ? '-' : `in ${formatDuration(Date.parse(info.expiresAt) - now)}`;
  return [info.id, info.tenant, info.session, info.state, info.profile, info.image, String(info.execs), age, expires];
}

function parseState(text: string): SandboxInfo['state'] {
  const parsed = SandboxState.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(`Must be one of ${SandboxState.options.join(', ')}.`);
  return parsed.data;
}

function addLabel(text: string, all: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write it as NAME=VALUE.');
  return { ...all, [text.slice(0, at)]: text.slice(at + 1) };
}
