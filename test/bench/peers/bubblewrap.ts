// A command in a fresh bubblewrap sandbox on the host: namespaces per command and no container around them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const FLAGS = [
  '--unshare-all',
  '--die-with-parent',
  '--new-session',
  '--cap-drop',
  'ALL',
  '--clearenv',
  '--ro-bind',
  '/usr',
  '/usr',
  '--symlink',
  'usr/bin',
  '/bin',
  '--symlink',
  'usr/lib',
  '/lib',
  '--symlink',
  'usr/lib64',
  '/lib64',
  '--proc',
  '/proc',
  '--dev',
  '/dev',
  '--tmpfs',
  '/tmp',
  '--uid',
  '200000',
  '--gid',
  '200000',
];

export async function bubblewrap(command: readonly string[]): Promise<void> {
  const child = spawn('bwrap', [...FLAGS, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.resume();
  child.stderr.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`Cannot run ${command.join(' ')} in bubblewrap: exit code ${code}`);
}
