// The whole command line: global options, every verb, and what an error looks like.

import { Command, CommanderError } from 'commander';
import { ClientError, type Cloister, type ConnectOptions, SandboxError } from '../../client/index.ts';
import { addClientCommands, type CliContext } from '../../client/cli/index.ts';
import { ConfigError } from '../load-config.ts';
import { SetupError } from '../setup/setup-error.ts';
import type { CliProcess } from './context.ts';
import { connectLocally, type LocalConnection } from './local-daemon.ts';
import { addAuditCommand } from './audit.ts';
import { addConfigCommand } from './config.ts';
import { addConfirmCommand } from './confirm.ts';
import { addMcpCommand } from './mcp.ts';
import { addPolicyCheckCommand } from './policy-check.ts';
import { addPolicyExplainCommand } from './policy-explain.ts';
import { addCompletionCommand } from './completion.ts';
import { addDoctorCommand } from './doctor.ts';
import { addImageCommand } from './image.ts';
import { addInspectCommand } from './inspect.ts';
import { addLogsCommand } from './logs.ts';
import { addServeCommand } from './serve.ts';
import { addSetupCommand } from './setup.ts';
import { addTokenCommand } from './token.ts';
import { addTopCommand } from './top.ts';

interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly json?: boolean;
}

const USAGE = 2;
const OWN_FAILURE = 125;

/** Runs one command line; answers the exit code. */
export async function runCli(args: readonly string[], cli: CliProcess): Promise<number> {
  const opened: LocalConnection[] = [];
  let exitCode = 0;
  let given: GlobalOptions = {};
  const program = new Command('cloister')
    .description('runs untrusted commands for AI agents in confined containers')
    .version(cli.version)
    .enablePositionalOptions()
    .showHelpAfterError('(--help behind a verb says what it takes)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => void cli.out.write(text), writeErr: (text) => void cli.err.write(text) });

  const connect = async (more: Pick<ConnectOptions, 'onConfirm'> = {}): Promise<Cloister> => {
    const connection = await connectLocally(cli, {
      url: given.url ?? cli.env['CLOISTER_URL'],
      token: given.token ?? cli.env['CLOISTER_TOKEN'],
      ...more,
    });
    opened.push(connection);
    return connection.cloister;
  };
  const context: CliContext = {
    connect,
    out: cli.out,
    err: cli.err,
    stdin: cli.stdin,
    onSignal: (listener) => cli.onSignal(listener),
    get json() {
      return given.json === true;
    },
    exit: (code) => {
      exitCode = code;
    },
  };
  addServeCommand(program, cli);
  addSetupCommand(program, cli, context);
  addTokenCommand(program, cli, context);
  addAuditCommand(program, cli, context);
  addDoctorCommand(program, cli, context);
  addPolicyExplainCommand(policyCommand(program), cli, context);
  addPolicyCheckCommand(policyCommand(program), cli, context);
  addConfigCommand(program, cli, context);
  addConfirmCommand(program, context);
  addImageCommand(program, context);
  addMcpCommand(program, cli, context);
  addClientCommands(program, context);
  addTopCommand(program, cli, context);
  addInspectCommand(program, cli, context);
  addLogsCommand(program, cli, context);
  addCompletionCommand(program, context);
  addGlobalOptions(program);
  program.hook('preAction', (_program, verb) => {
    given = verb.optsWithGlobals<GlobalOptions>();
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    cli.err.write(explain(error));
    return error instanceof ConfigError ? USAGE : OWN_FAILURE;
  } finally {
    for (const connection of opened) {
      await connection.cloister.close();
      await connection.stop();
    }
  }
}

/** `policy`, whose verbs have files of their own. */
const policyCommand = (program: Command): Command =>
  program.commands.find((command) => command.name() === 'policy') ?? program.command('policy').description('what a policy says');

/** Before the verb or after it: people write both. */
function addGlobalOptions(command: Command): void {
  command
    .option('--url <url>', 'daemon to connect to (CLOISTER_URL)')
    .option('--token <token>', 'token to connect with (CLOISTER_TOKEN)')
    .option('--json', 'one JSON value on stdout');
  for (const verb of command.commands) addGlobalOptions(verb);
}

function explain(error: unknown): string {
  if (SandboxError.is(error) || ClientError.is(error)) return `cloister: ${error.code}: ${error.message}\nhint: ${error.hint}\n`;
  if (error instanceof SetupError || error instanceof ConfigError) return `cloister: ${error.message}\n`;
  return `cloister: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
