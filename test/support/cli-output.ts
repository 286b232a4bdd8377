// What a command line that needs no daemon prints, run in this process.

import { PassThrough } from 'node:stream';
import { runCli } from '../../daemon/cli/program.ts';
import { createLog } from '../../daemon/observe/log.ts';

/** What it wrote to stdout. Throws where the command line fails. */
export async function cliOutput(args: readonly string[]): Promise<string> {
  const out = new PassThrough();
  const err = new PassThrough();
  const exitCode = await runCli(args, {
    env: {},
    version: '0.0.0',
    packageRoot: '.',
    platform: 'linux',
    arch: 'x64',
    isRoot: false,
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    out: out as unknown as NodeJS.WriteStream,
    err: err as unknown as NodeJS.WriteStream,
    createLog: () => createLog({ level: 'silent', destination: err }),
    onSignal: () => () => {},
    onHangup: () => () => {},
  });
  if (exitCode !== 0) throw new Error(`Exit code ${exitCode}: ${String(err.read())}`);
  return String(out.read());
}
