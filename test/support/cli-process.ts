// The process around a command line, for tests that call it in their own.

import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { CliProcess } from '../../daemon/cli/context.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { engineSocket } from './test-daemon.ts';

export interface CliStreams {
  readonly out?: PassThrough;
  readonly err?: PassThrough;
}

export const cliProcess = ({ out = new PassThrough(), err = new PassThrough() }: CliStreams): CliProcess => ({
  env: { DOCKER_HOST: `unix://${engineSocket()}` },
  version: 'test',
  packageRoot: join(import.meta.dirname, '../..'),
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  stdin: process.stdin,
  out: out as unknown as NodeJS.WriteStream,
  err: err as unknown as NodeJS.WriteStream,
  createLog: (level) => createLog({ level, destination: process.stderr }),
  onSignal: () => () => undefined,
  onHangup: () => () => undefined,
});
