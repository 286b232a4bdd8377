// `cloister policy explain --tool TOOL`: what the rules of a configuration, or of a session that is open, say of a command or
// another call. Starts nothing and asks nobody.

import type { Cloister } from '../../client/index.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import type { CliContext } from '../../client/cli/index.ts';
import { joinSession } from '../../client/cli/join-session.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { PermissionsExplained } from '../../client/protocol/permissions.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load-config.ts';
import { PermissionEngine } from '../policy/permission-engine.ts';
import { grantPermissions } from '../policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../policy/profiles.ts';
import { shownCommand } from '../policy/shell/simple-command.ts';
import type { CliProcess } from './context.ts';

interface AskedTool {
  readonly tool: string;
  /** After `--`: of exec and shell the command (one word: a text for the shell), of others NAME=VALUE. */
  readonly words: readonly string[];
}

const WORKSPACE = '/workspace';

export async function explainTool(
  cli: CliProcess,
  context: CliContext,
  flags: { readonly session?: string; readonly profile?: string; readonly config?: string },
  asked: AskedTool,
): Promise<void> {
  const explained =
    flags.session === undefined
      ? explainToolHere(asked, loadConfig({ file: flags.config ?? cli.env['CLOISTER_CONFIG'], env: cli.env, options: {} }), flags.profile)
      : await explainToolOf(await context.connect(), asked, flags.session);
  cli.out.write(context.json ? `${JSON.stringify(explained)}\n` : explainedText(asked, explained));
  if (explained.verdict !== 'allow') context.exit(1);
}

/** By the rules that new sessions of a profile get. */
function explainToolHere({ tool, words }: AskedTool, config: Config, profileName = config.defaults.profile): PermissionsExplained {
  const profile = { ...config.profiles, ...BUILT_IN_PROFILES }[profileName];
  if (profile === undefined) throw new SandboxError('PROFILE_UNKNOWN', `Cannot explain ${tool}: profile ${profileName} is unknown`);
  const granted = grantPermissions(undefined, { name: profileName, profile }, config.permissions);
  const engine = new PermissionEngine();
  if (tool !== 'exec' && tool !== 'shell') {
    const { verdict, reason, rule, remedy } = engine.decide({ tool, args: argsOf(words) }, granted);
    return { verdict, reason, rule, ...(remedy === undefined ? {} : { remedy }), commands: [] };
  }
  const command = commandOf(tool, words);
  const line = { cwd: WORKSPACE, isFed: tool === 'shell', envNames: [] };
  const { verdict, reason, rule, remedy } = engine.decideCommand(command, line, granted);
  const commands = engine.line(command, line).commands.slice(0, 100).map(shownCommand);
  return { verdict, reason, rule, ...(remedy === undefined ? {} : { remedy }), commands };
}

/** By the rules of a session that is open. */
async function explainToolOf(cloister: Cloister, { tool, words }: AskedTool, session: string): Promise<PermissionsExplained> {
  const { permissions } = await joinSession(cloister, session);
  if (tool === 'exec') return permissions.explain(commandOf(tool, words));
  return permissions.explainCall(tool, argsOf(words));
}

function explainedText({ tool }: AskedTool, { verdict, rule, reason, remedy, commands }: PermissionsExplained): string {
  const lines = [`${verdict}: ${tool}`, `rule: ${rule}`, `reason: ${reason}`];
  if (remedy !== undefined) lines.push(`remedy: ${remedy}`);
  if (commands.length > 0) lines.push('commands:', ...commands.map((command) => `  ${command}`));
  return `${lines.map(escapeText).join('\n')}\n`;
}

function commandOf(tool: string, words: readonly string[]): string | string[] {
  const [only] = words;
  if (only === undefined)
    throw new SandboxError('INVALID_REQUEST', `Cannot explain ${tool}: the command is missing`, { hint: 'Write it after --.' });
  return words.length === 1 ? only : [...words];
}

function argsOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1)
        throw new SandboxError('INVALID_REQUEST', `Cannot explain the call: ${JSON.stringify(word)} is not NAME=VALUE`, {
          hint: 'For example: cloister policy explain --tool files.write -- path=/workspace/a.txt',
        });
      return [word.slice(0, at), word.slice(at + 1)] as const;
    }),
  );
}
