// The state directory's own files: where they lie, who may read them. Owner only, whatever the umask says.

import { chmod, mkdir, readFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { writeFileAtomic } from './observe/atomic-file.ts';

export const keyPathOf = (stateDir: string): string => join(stateDir, 'keys', 'token-ed25519.pem');
export const receiptKeyPathOf = (stateDir: string): string => join(stateDir, 'keys', 'receipt-ed25519.pem');
export const egressAuthorityPathOf = (stateDir: string): string => join(stateDir, 'keys', 'egress-authority.pem');
export const auditKeyPathOf = (stateDir: string): string => join(stateDir, 'keys', 'audit-ed25519.pem');
export const revokedPathOf = (stateDir: string): string => join(stateDir, 'keys', 'tokens-revoked.json');
export const auditPathOf = (stateDir: string): string => join(stateDir, 'audit.jsonl');

/** Where the daemon that lives on this directory listens. */
export const addressPathOf = (stateDir: string): string => join(stateDir, 'daemon.json');

/** The unix socket of the API, for programs on this host. */
export const apiSocketPathOf = (stateDir: string): string => join(stateDir, 'api.sock');

/** Makes the directories, mode 0700: the engine mounts what sandboxes need as root, so no other uid passes through here. */
export async function prepareStateDir(stateDir: string): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await chmod(stateDir, 0o700);
  await mkdir(join(stateDir, 'keys'), { recursive: true, mode: 0o700 });
}

/** Tells this daemon's containers from those of others on the same engine; made once, kept. */
export async function instanceIdOf(stateDir: string): Promise<string> {
  const path = join(stateDir, 'instance-id');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const id = randomBytes(8).toString('hex');
    await writeFileAtomic(path, `${id}\n`);
    return id;
  }
}
