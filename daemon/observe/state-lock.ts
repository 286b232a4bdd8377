// One daemon per state directory. The lock is an abstract unix socket named after the directory's identity:
// taken in one step, and gone with the process however it dies.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { SandboxError } from '../../client/protocol/errors.ts';

export interface StateLock {
  release(): Promise<void>;
}

/** Takes the lock or throws INVALID_REQUEST: another daemon uses this directory. */
export async function lockStateDir(stateDir: string): Promise<StateLock> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE') return reject(cause);
      reject(
        new SandboxError('INVALID_REQUEST', `Cannot use state directory ${stateDir}: another daemon uses it`, {
          cause,
          hint: 'Stop that daemon, or pass another --state-dir.',
        }),
      );
    });
    server.listen(lockName(stateDir), resolve);
  });
  server.unref();
  return { release: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

/** Does a daemon live on this directory now? */
export function isStateDirLocked(stateDir: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(lockName(stateDir));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function lockName(stateDir: string): string {
  const { dev, ino } = statSync(stateDir);
  return `\0cloister-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`;
}
