// The docker command line as a peer: a process per call, as scripts use it.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function runDocker(engineSocket: string, args: readonly string[]): Promise<string> {
  return (await run('docker', ['--host', `unix://${engineSocket}`, ...args])).stdout;
}
