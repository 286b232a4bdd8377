// `cloister policy check FILE`: would a daemon start with this configuration, and what do its rules come to? Works offline.

import type { Command } from 'commander';
import { type CliContext } from '../../client/cli/index.ts';
import { ConfigError, loadConfig } from '../load-config.ts';
import type { Config } from '../config.ts';
import { grantPermissions, sourcesOf } from '../policy/permission-policy.ts';
import { BUILT_IN_PROFILES } from '../policy/profiles.ts';
import type { CliProcess } from './context.ts';

export function addPolicyCheckCommand(policy: Command, cli: CliProcess, context: CliContext): void {
  policy
    .command('check')
    .description('validate a configuration file; exit 1 with every problem')
    .argument('<file>', 'configuration file')
    .action((file: string) => {
      try {
        const config = loadConfig({ file, env: {}, options: {} });
        const warnings = warningsOf(config);
        if (context.json) cli.out.write(`${JSON.stringify({ file, problems: [], warnings })}\n`);
        else cli.out.write(`${file}: valid\n${warnings.map((warning) => `  - ${warning}\n`).join('')}`);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        if (context.json) cli.out.write(`${JSON.stringify({ file, problems: error.problems, warnings: [] })}\n`);
        else cli.err.write(`${file}: not valid\n${error.problems.map((problem) => `  - ${problem}\n`).join('')}`);
        context.exit(1);
      }
    });
}

/** What is allowed to be written and hardly meant. */
function warningsOf({ permissions, profiles }: Config): string[] {
  const warnings = permissions.hardFloor ? [] : ['permissions.hardFloor is off: nothing keeps a command from deleting everything it may'];
  for (const [name, profile] of Object.entries({ ...BUILT_IN_PROFILES, ...profiles })) {
    const granted = grantPermissions(undefined, { name, profile }, permissions);
    const everything = granted.rules.findIndex(({ tool, args, domain }) => tool === '*' && args === undefined && domain === undefined);
    if (everything !== -1 && everything < granted.rules.length - 1)
      warnings.push(
        `profile ${name}: nothing after ${granted.rules[everything]?.id ?? ''} is ever reached (${sourcesOf(granted).join(', ')})`,
      );
  }
  return [...new Set(warnings)];
}
