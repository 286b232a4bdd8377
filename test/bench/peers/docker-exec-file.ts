// A file through the docker command line: `cat` in the container, as scripts without an API for files do it.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function dockerExecCat(engineSocket: string, container: string, path: string): Promise<Buffer> {
  const { stdout } = await run('docker', ['--host', `unix://${engineSocket}`, 'exec', container, 'cat', path], { encoding: 'buffer' });
  return stdout;
}

export async function dockerExecTee(engineSocket: string, container: string, path: string, content: Uint8Array): Promise<void> {
  const command = ['exec', '--interactive', container, 'sh', '-c', 'cat > "$0"', path];
  const running = run('docker', ['--host', `unix://${engineSocket}`, ...command]);
  running.child.stdin?.end(content);
  await running;
}
