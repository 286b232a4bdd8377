// `cloister serve`: the daemon in the foreground. One line of JSON on stdout when ready; logs go to stderr.

import type { Command } from 'commander';
import { loadConfig } from '../load-config.ts';
import { warmUp } from '../policy/shell/warm-up.ts';
import type { CliProcess } from './context.ts';

interface ServeOptions {
  readonly listen?: string;
  readonly stateDir?: string;
  readonly config?: string;
  readonly onExit?: 'keep' | 'close';
  readonly guide?: boolean;
}

export function addServeCommand(program: Command, cli: CliProcess): void {
  program
    .command('serve')
    .description('run the daemon in the foreground')
    .option('--listen <host:port>', 'address to listen on; port 0 picks one')
    .option('--state-dir <dir>', 'directory of everything durable')
    .option('--config <file>', 'configuration file')
    .option('--on-exit <what>', 'what SIGTERM does with sandboxes: keep or close')
    .option('--guide', 'print for people, too: address and how to get a token')
    .action(async (options: ServeOptions) => {
      const load = () =>
        loadConfig({
          file: options.config ?? cli.env['CLOISTER_CONFIG'],
          env: cli.env,
          options: { listen: options.listen, stateDir: options.stateDir, onExit: options.onExit },
        });
      const config = load();
      const log = cli.createLog(config.log.level);
      warmUp();
      // Loaded here: most verbs do without it, and it takes most of the time that loading takes.
      const { startDaemon } = await import('../daemon.ts');
      const daemon = await startDaemon(config, {
        log,
        dockerHost: cli.env['DOCKER_HOST'],
        packageRoot: cli.packageRoot,
        version: cli.version,
        arch: cli.arch,
        loadConfig: load,
      });
      const stopListening = cli.onHangup(() => {
        try {
          daemon.configuration.reload('SIGHUP');
        } catch (error) {
          // It is on record as well; what held before holds still.
          log.error({ err: error }, 'configuration not reloaded');
        }
      });
      cli.out.write(
        `${JSON.stringify({ event: 'ready', url: daemon.url, http: daemon.http, stateDir: daemon.stateDir, engine: daemon.engine })}\n`,
      );
      if (options.guide === true) {
        cli.err.write(
          `Cloister listens on ${daemon.url}\nIts console:  ${daemon.http}/ (a token made with --role operator sees everything)\nA token:  npx cloister token create --tenant acme --state-dir ${daemon.stateDir}\nStop it with Ctrl-C.\n`,
        );
      }
      const signal = await new Promise<string>((resolve) => cli.onSignal(resolve));
      log.info({ signal, onExit: config.onExit }, 'stopping');
      stopListening();
      await daemon.stop(config.onExit);
    });
}
