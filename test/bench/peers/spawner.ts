// The static spawner in a container like ours, and one connection to it: what a command costs with no product around it.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Stage } from '../harness/stage.ts';
import { runDocker } from './docker-cli.ts';

const run = promisify(execFile);
const START_LIMIT_MS = 10_000;

/** Path on the host of the spawner's socket. */
export async function startSpawner(stage: Stage): Promise<string> {
  const { scope, directory, flags, image, daemon } = stage;
  const binary = join(directory, 'spawner');
  await run('gcc', ['-O2', '-static', '-Wall', '-Werror', '-o', binary, join(import.meta.dirname, 'spawner.c')]);
  const mount = ['--mount', `type=bind,src=${binary},dst=/spawner,readonly`];
  const container = (
    await runDocker(daemon.engineSocket, ['run', '--detach', '--rm', ...flags, ...mount, image, '/spawner', '/workspace/spawner.sock'])
  ).trim();
  scope.defer(() => runDocker(daemon.engineSocket, ['rm', '--force', container]));
  const socketPath = join(directory, 'workspace', 'spawner.sock');
  const deadline = performance.now() + START_LIMIT_MS;
  while (
    !(await stat(socketPath).then(
      () => true,
      () => false,
    ))
  ) {
    if (performance.now() > deadline) throw new Error('Cannot start the spawner: its socket did not appear');
    await setTimeout(20);
  }
  return socketPath;
}

/** One request after the other on one connection. */
export class SpawnerClient {
  readonly #socket: Socket;
  #answered: ((code: number) => void) | null = null;
  #failed: ((cause: Error) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#answered?.(bytes[0] ?? 255));
    socket.on('error', (cause) => this.#failed?.(cause));
  }

  static async connect(socketPath: string): Promise<SpawnerClient> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    return new SpawnerClient(socket);
  }

  async run(): Promise<void> {
    const code = await new Promise<number>((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      this.#socket.write(Uint8Array.of(0));
    });
    if (code !== 0) throw new Error(`Cannot run /bin/true in the spawner: exit code ${code}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
