// `cloister doctor`: is this host fit for a launch? Exit 1 if any check fails.

import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { attack } from '../doctor/attack/attack.ts';
import { type AttackReport, attackText } from '../doctor/attack/attack-report.ts';
import { readKernelText } from '../doctor/attack/kernel-parts.ts';
import { ATTACK_ROWS } from '../doctor/attack/rows.ts';
import { examine, reportText } from '../doctor/doctor.ts';
import { doctorSettings } from '../doctor-settings.ts';
import { loadConfig } from '../load-config.ts';
import { systemClock } from '../observe/clock.ts';
import type { CliProcess } from './context.ts';
import { connectLocally } from './local-daemon.ts';

interface DoctorOptions {
  readonly stateDir?: string;
  readonly config?: string | undefined;
  readonly attack?: boolean;
  readonly runtime?: string;
}

export function addDoctorCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('doctor')
    .description('the checklist before a launch: host, engine, state, configuration; exit 1 on any failure')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .option('--config <file>', 'configuration file')
    .option('--attack', 'also try to break out of a throw-away sandbox on this host')
    .option('--runtime <name>', 'runtime of that sandbox')
    .action(async (options: DoctorOptions) => {
      const file = options.config ?? cli.env['CLOISTER_CONFIG'];
      const config = loadConfig({ file, env: cli.env, options: { stateDir: options.stateDir } });
      // Loaded here: most verbs do without it, and it takes most of the time that loading takes.
      const { gatherFacts } = await import('../doctor/gather-facts.ts');
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
      if (!context.json) cli.out.write(reportText(report));
      const attacked = options.attack === true ? await attackThisHost(cli, { ...options, config: file }) : null;
      if (context.json) cli.out.write(`${JSON.stringify(attacked === null ? report : { ...report, attack: attacked })}\n`);
      else if (attacked !== null) cli.out.write(`\n${attackText(attacked)}`);
      if (report.verdict === 'fail' || (attacked?.counts.fail ?? 0) > 0) context.exit(1);
    });
}

/** In a sandbox of the daemon that runs on the state directory, else of one that is started on it and ended again. */
async function attackThisHost(cli: CliProcess, { stateDir, config, runtime }: DoctorOptions): Promise<AttackReport> {
  const env = { ...cli.env, CLOISTER_CONFIG: config, ...(stateDir === undefined ? {} : { CLOISTER_STATE_DIR: stateDir }) };
  const connection = await connectLocally({ ...cli, env }, { url: undefined, token: undefined });
  try {
    return await attack({ cloister: connection.cloister, rows: ATTACK_ROWS, kernel: await readKernelText(), arch: cli.arch, runtime });
  } finally {
    await connection.cloister.close();
    await connection.stop();
  }
}
