// `cloister policy explain`: which rule decides about a URL, and why. Asks the daemon that runs, a session's own policy if one
// is named; without a daemon it judges by the configuration alone. Connects to nothing but name servers.

import { getServers } from 'node:dns';
import type { Command } from 'commander';
import type { Cloister, EgressDecision } from '../../client/index.ts';
import { type CliContext } from '../../client/cli/index.ts';
import { escapeText } from '../../client/cli/escape-text.ts';
import { findSandbox } from '../../client/cli/join-session.ts';
import { PolicyExplain } from '../../client/protocol/egress.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Config } from '../config.ts';
import { admit } from '../egress/admission.ts';
import { explainedTarget } from '../egress/explained-target.ts';
import { compilePolicy } from '../egress/judge.ts';
import { parseNameServer } from '../egress/name-server.ts';
import { operatorRules } from '../egress/operator-rules.ts';
import { createResolver } from '../egress/resolver.ts';
import { loadConfig } from '../load-config.ts';
import { isStateDirLocked } from '../observe/state-lock.ts';
import { explainedEgress } from '../policy/explain-policy.ts';
import type { CliProcess } from './context.ts';
import { explainTool } from './policy-explain-tool.ts';

const RESOLVE_TIMEOUT_MS = 5_000;
const DENIED = 1;

interface ExplainFlags {
  readonly tool?: string;
  readonly profile?: string;
  readonly session?: string;
  readonly allow: readonly string[];
  readonly mode?: string;
  readonly config?: string;
  readonly offline?: boolean;
  readonly url?: string;
}

type Explained = Pick<EgressDecision, 'verdict' | 'reason' | 'rule' | 'remedy'> & {
  readonly source: 'session' | 'daemon' | 'configuration';
};

export function addPolicyExplainCommand(policy: Command, cli: CliProcess, context: CliContext): void {
  policy
    .command('explain')
    .description('say which rule decides about a URL, and why; exit 1 if it is denied')
    .argument('<url...>', 'http:// or https:// URL, or HOST:PORT; with --tool what follows --')
    .option('--tool <tool>', 'say it of a call instead: exec with a command after --, others with NAME=VALUE')
    .option('--profile <name>', 'profile of the session')
    .option('--allow <host>', 'host that the session allows; repeatable', (host, all: readonly string[]) => [...all, host], [])
    .option('--mode <mode>', 'off, allowlist or open')
    .option('--session <name>', 'ask a session that is open, by its own policy')
    .option('--config <file>', 'configuration to judge by, without a daemon')
    .option('--offline', 'judge by the configuration, whatever runs')
    .action(async (words: readonly string[], _options: unknown, command: Command) => {
      const flags = command.optsWithGlobals<ExplainFlags>();
      if (flags.tool !== undefined) return explainTool(cli, context, flags, { tool: flags.tool, words });
      const url = words.join(' ');
      const asked = askedOf(url, flags);
      const config = loadConfig({ file: flags.config ?? cli.env['CLOISTER_CONFIG'], env: cli.env, options: {} });
      const isOnline = flags.session !== undefined || (await hasDaemon(cli, config, flags));
      const explained = isOnline ? await askDaemon(await context.connect(), asked, flags.session) : await judgeHere(asked, config);
      cli.out.write(context.json ? `${JSON.stringify(explained)}\n` : textOf(url, explained));
      if (explained.verdict === 'deny') context.exit(DENIED);
    });
}

function askedOf(url: string, { profile, allow, mode }: ExplainFlags): PolicyExplain {
  // Whoever allows hosts means a profile that has a network, as with `run`.
  const chosen = profile ?? (allow.length > 0 || (mode !== undefined && mode !== 'off') ? 'workspace-write' : undefined);
  const asked = PolicyExplain.safeParse({
    url,
    ...(chosen === undefined ? {} : { profile: chosen }),
    ...(allow.length === 0 ? {} : { allow }),
    ...(mode === undefined ? {} : { mode }),
  });
  if (asked.success) return asked.data;
  const [issue] = asked.error.issues;
  throw new SandboxError('INVALID_REQUEST', `Cannot explain this: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

async function hasDaemon(cli: CliProcess, config: Config, flags: ExplainFlags): Promise<boolean> {
  if (flags.offline === true || flags.config !== undefined) return false;
  if ((flags.url ?? cli.env['CLOISTER_URL']) !== undefined) return true;
  return cli.isRoot && (await isStateDirLocked(config.stateDir).catch(() => false));
}

async function askDaemon(cloister: Cloister, asked: PolicyExplain, session: string | undefined): Promise<Explained> {
  if (session === undefined) return { ...(await cloister.explain(asked)), source: 'daemon' };
  const { session: name, tenant } = await findSandbox(cloister, session);
  const isOperator = cloister.identity.role === 'operator';
  const sandbox = await cloister.open({ session: name, role: 'observer', ...(isOperator ? { tenant } : {}) });
  return { ...(await sandbox.egress.explain(asked.url)), source: 'session' };
}

async function judgeHere(asked: PolicyExplain, config: Config): Promise<Explained> {
  const { egress } = config;
  const servers = (egress.resolver.length > 0 ? egress.resolver : getServers()).map(parseNameServer).filter((server) => server !== null);
  const { verdict } = await admit(explainedTarget(asked.url), {
    policy: compilePolicy(explainedEgress(asked, config)),
    operator: operatorRules(egress)(),
    resolve: createResolver({ servers, timeoutMs: RESOLVE_TIMEOUT_MS }),
    confirm: async (_, verdict) => ({ ...verdict, verdict: 'deny' }),
  });
  const { reason, rule, remedy } = verdict;
  return {
    verdict: verdict.verdict === 'allow' ? 'allow' : 'deny',
    reason,
    rule,
    ...(remedy === undefined ? {} : { remedy }),
    source: 'configuration',
  };
}

function textOf(url: string, { verdict, reason, rule, remedy, source }: Explained): string {
  const lines = [
    `${verdict === 'allow' ? 'allowed' : 'denied'}: ${escapeText(url)}`,
    `reason: ${escapeText(reason)}`,
    `rule: ${escapeText(rule)}`,
    ...(remedy === undefined || remedy === '' ? [] : [`remedy: ${escapeText(remedy)}`]),
    `judged by: ${source === 'configuration' ? 'the configuration, without a daemon' : source === 'session' ? 'the session' : 'the daemon'}`,
  ];
  return `${lines.join('\n')}\n`;
}
