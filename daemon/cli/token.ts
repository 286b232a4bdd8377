// `cloister token create`: works offline on the state directory, where the signing key is.

import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';
import { parseDuration } from '../../client/cli/duration.ts';
import { createToken, loadSigningKeys } from '../auth/token.ts';
import { loadConfig } from '../load-config.ts';
import { keyPathOf, prepareStateDir } from '../state-dir.ts';
import type { CliProcess } from './context.ts';

interface TokenOptions {
  readonly tenant?: string;
  readonly role: string;
  readonly session?: string;
  readonly readOnly?: boolean;
  readonly ttl: string;
  readonly stateDir?: string;
}

export function addTokenCommand(program: Command, cli: CliProcess, context: CliContext): void {
  const token = program.command('token').description('make tokens');
  token
    .command('create')
    .description('print a token, signed with the key of the state directory')
    .option('--tenant <name>', 'whom the token is for; only an operator may go without')
    .option('--role <role>', 'tenant, observer or operator', 'tenant')
    .option('--session <name>', 'narrow it to one session')
    .option('--read-only', 'no commands, no writing')
    .option('--ttl <duration>', 'how long it is valid', '12h')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .action(async (options: TokenOptions) => {
      const { stateDir } = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: options.stateDir } });
      await prepareStateDir(stateDir);
      const keys = await loadSigningKeys(keyPathOf(stateDir));
      const text = await createToken(
        keys,
        {
          tenant: options.tenant === undefined ? null : parseWith(TenantName, options.tenant, '--tenant'),
          role: parseWith(Role, options.role, '--role'),
          session: options.session === undefined ? null : parseWith(SessionName, options.session, '--session'),
          isReadOnly: options.readOnly === true,
          ttlMs: parseDuration(options.ttl),
        },
        Date.now(),
      );
      cli.out.write(`${context.json ? JSON.stringify({ token: text }) : text}\n`);
    });
}

function parseWith<T>(
  schema: { safeParse(value: unknown): { success: boolean; data?: T; error?: { issues: { message: string }[] } } },
  value: string,
  name: string,
): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new SandboxError(
      'INVALID_REQUEST',
      `Cannot use ${name} ${JSON.stringify(value)}: ${parsed.error?.issues[0]?.message ?? 'invalid'}`,
    );
  return parsed.data as T;
}
