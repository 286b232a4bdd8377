// `cloister doctor`: is this host fit for a launch? Exit 1 if any check fails.

import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import type { Config } from '../config.ts';
import { examine, reportText } from '../doctor/doctor.ts';
import type { DoctorSettings } from '../doctor/facts.ts';
import { gatherFacts } from '../doctor/gather-facts.ts';
import { loadConfig } from '../load-config.ts';
import { systemClock } from '../observe/clock.ts';
import { BUILT_IN_PROFILES } from '../policy/profiles.ts';
import { auditKeyPathOf, auditPathOf } from '../state-dir.ts';
import type { CliProcess } from './context.ts';

interface DoctorOptions {
  readonly stateDir?: string;
  readonly config?: string;
}

export function addDoctorCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('doctor')
    .description('the checklist before a launch: host, engine, state, configuration; exit 1 on any failure')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .option('--config <file>', 'configuration file')
    .action(async (options: DoctorOptions) => {
      const file = options.config ?? cli.env['CLOISTER_CONFIG'];
      const config = loadConfig({ file, env: cli.env, options: { stateDir: options.stateDir } });
      const facts = await gatherFacts({
        settings: doctorSettings(config, file ?? null),
        engineSocket: config.engine.socketPath,
        dockerHost: cli.env['DOCKER_HOST'],
        seccompDir: join(cli.packageRoot, 'seccomp'),
        platform: cli.platform,
        arch: cli.arch,
        isRoot: cli.isRoot,
        clock: systemClock,
      });
      const report = examine(facts);
      cli.out.write(context.json ? `${JSON.stringify(report)}\n` : reportText(report));
      if (report.verdict === 'fail') context.exit(1);
    });
}

export function doctorSettings(config: Config, configFile: string | null): DoctorSettings {
  const { ceilings, engine, ports, workspace, pool } = config;
  return {
    stateDir: config.stateDir,
    configFile,
    auditFile: config.audit.file ?? auditPathOf(config.stateDir),
    auditKeyFile: auditKeyPathOf(config.stateDir),
    listen: config.listen,
    hasTls: 'tls' in config && config.tls !== undefined,
    portsListen: ports.listen,
    portsScheme: ports.scheme,
    portsDomain: ports.domain,
    origins: config.origins,
    engineRuntimes: engine.runtimes,
    privateEngine: engine.private,
    store: workspace.store,
    quota: workspace.quota,
    profiles: { ...BUILT_IN_PROFILES, ...config.profiles },
    defaultProfile: config.defaults.profile,
    images: config.images.allow,
    allowPrivate: config.egress.allowPrivate,
    ceilings: { perTenant: Object.keys(ceilings.perTenant).length, host: Object.keys(ceilings.host).length },
    maxSessions: pool.maxSessions,
    idleMs: pool.idleMs,
    confirmTimeoutMs: config.permissions.confirmTimeoutMs,
    rules: config.permissions.rules.map((rule) =>
      'preset' in rule
        ? { preset: rule.preset }
        : { tool: rule.tool, action: rule.action, isNarrowed: rule.args !== undefined || rule.domain !== undefined },
    ),
    hasHardFloor: config.permissions.hardFloor,
  };
}
