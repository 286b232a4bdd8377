// Debian's sshd on an address of the test's own, with keys of the test's own; whoever has the key is root there.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';

const run = promisify(execFile);

export interface TestSshServer extends AsyncDisposable {
  /** Private key that it lets in. */
  readonly key: string;
  /** A line of `known_hosts`, without the host. */
  readonly hostKey: string;
}

export async function startSshServer(address: string, port: number): Promise<TestSshServer> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-sshd-'));
  const path = (name: string): string => join(directory, name);
  for (const name of ['host', 'user']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path(name)]);
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(
    path('config'),
    [
      `ListenAddress ${address}:${port}`,
      `HostKey ${path('host')}`,
      `AuthorizedKeysFile ${path('user.pub')}`,
      `PidFile ${path('pid')}`,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'StrictModes no',
      'UsePAM no',
      '',
    ].join('\n'),
  );
  const server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', path('config')], { stdio: 'ignore' });
  await eventually(
    () => isOpen(address, port),
    (answers) => answers,
  );
  const [type, hostKey] = (await readFile(path('host.pub'), 'utf8')).split(' ');
  return {
    key: await readFile(path('user'), 'utf8'),
    hostKey: `${type} ${hostKey}`,
    async [Symbol.asyncDispose]() {
      const ended = once(server, 'exit');
      if (server.kill('SIGTERM')) await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const isOpen = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port }, () => resolve(true));
    socket.once('error', () => resolve(false)).once('connect', () => socket.destroy());
  });
