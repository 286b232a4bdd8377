// A daemon of the demo's own, as a process, on a state directory that goes away with it.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface DaemonProcess {
  readonly url: string;
  token(tenant: string): Promise<string>;
  /** SIGTERM, then waits until the daemon, its engine and its files are gone. */
  stop(): Promise<void>;
}

export async function startDaemonProcess(packageRoot: string): Promise<DaemonProcess> {
  const stateDir = await mkdtemp(join(tmpdir(), 'cl-demo-'));
  const main = join(packageRoot, 'dist', 'daemon', 'main.js');
  const env = { ...process.env, CLOISTER_LOG_LEVEL: 'warn' };
  const daemon = spawn(process.execPath, [main, 'serve', '--listen', '127.0.0.1:0', '--state-dir', stateDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  const stop = async () => {
    if (daemon.exitCode === null && daemon.kill('SIGTERM')) await once(daemon, 'exit');
    await rm(stateDir, { recursive: true, force: true });
  };
  try {
    const { url } = JSON.parse(await firstLine(daemon)) as { url: string };
    const token = async (tenant: string) =>
      (await run(process.execPath, [main, 'token', 'create', '--tenant', tenant, '--state-dir', stateDir])).stdout.trim();
    return { url, token, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function firstLine(daemon: ChildProcess): Promise<string> {
  if (daemon.stdout === null) throw new Error('Cannot read the daemon: it has no stdout');
  for await (const line of createInterface({ input: daemon.stdout })) return line;
  throw new Error('Cannot start the daemon: it ended before it was ready; its messages are above');
}
