// `cloister setup`: engine, base image and cloister-init, once. Says what it did.

import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../../client/cli/index.ts';
import { loadConfig } from '../load-config.ts';
import { prepareStateDir } from '../state-dir.ts';
import type { CliProcess } from './context.ts';

export function addSetupCommand(program: Command, cli: CliProcess, context: CliContext): void {
  program
    .command('setup')
    .description('install and build what the daemon needs; does nothing that is done')
    .option('--state-dir <dir>', 'state directory of the daemon')
    .option('--with-test-packages', 'also what the tests use')
    .action(async (options: { stateDir?: string; withTestPackages?: boolean }) => {
      const config = loadConfig({ file: cli.env['CLOISTER_CONFIG'], env: cli.env, options: { stateDir: options.stateDir } });
      if (cli.isRoot) await prepareStateDir(config.stateDir);
      // Loaded here: most verbs do without it, and it takes most of the time that loading takes.
      const { runSetup } = await import('../setup/run-setup.ts');
      const report = await runSetup({
        stateDir: config.stateDir,
        cacheDir: config.cacheDir,
        imagesDir: join(cli.packageRoot, 'images'),
        platform: cli.platform,
        arch: cli.arch,
        isRoot: cli.isRoot,
        dockerHost: cli.env['DOCKER_HOST'],
        socketPath: config.engine.socketPath,
        log: cli.createLog('warn'),
        withTestPackages: options.withTestPackages === true,
        onProgress: (line) => void cli.err.write(`${line}\n`),
      });
      if (context.json) cli.out.write(`${JSON.stringify(report)}\n`);
    });
}
