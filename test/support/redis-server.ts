// A real redis-server for one test: its own directory and port, killed and started again at will, gone at the end.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './tcp-relay.ts';

export interface TestRedis {
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** With what it had on disk; `isEmpty`: with nothing. */
  restart(options?: { readonly isEmpty?: boolean }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-redis-'));
  const port = await freePort();
  const files = join(directory, 'appendonlydir');
  let child = await spawnRedis(directory, port);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: async ({ isEmpty = false } = {}) => {
      await kill();
      if (isEmpty) await rm(files, { recursive: true, force: true });
      child = await spawnRedis(directory, port);
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function spawnRedis(directory: string, port: number): Promise<ChildProcess> {
  // It is killed and not the host: what it has written need not be on disk.
  const options = { port, bind: '127.0.0.1', dir: directory, save: '', appendonly: 'yes', appendfsync: 'everysec', daemonize: 'no' };
  const argv = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('redis-server ended before it was ready')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
  return child;
}
