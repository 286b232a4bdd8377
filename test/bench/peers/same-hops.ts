// The reference with our hops and nothing else: this process -> WebSocket on a unix socket -> another Node process -> unix socket ->
// static spawner in a container, and back.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import type { Scope } from '../harness/scope.ts';

const REQUEST = JSON.stringify({ id: 1, op: 'exec.start', params: { command: ['true'] } });

export class SameHops {
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async start(spawnerSocket: string, scope: Scope): Promise<SameHops> {
    const path = `${spawnerSocket}.relay`;
    const relay = join(import.meta.dirname, '..', 'same-hops-relay.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', relay, spawnerSocket, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    scope.defer(async () => {
      if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
    });
    await once(createInterface({ input: child.stdout }), 'line');
    const socket = new WebSocket(`ws+unix:${path}:/`, { perMessageDeflate: false });
    await once(socket, 'open');
    return new SameHops(socket);
  }

  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('message', () => resolve());
      this.#socket.send(REQUEST);
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}
