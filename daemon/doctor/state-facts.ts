// What lies in the state directory, and whether the audit log holds. Reads names and modes, of keys also the keys; of
// workspaces nothing.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { verifyAuditLog } from '../observe/audit-verify.ts';
import type { DoctorFacts, FileFacts } from './facts.ts';
import { fileFacts, orNull } from './file-facts.ts';

/** Touched by whoever makes backups: it says when, and nothing else. */
export const BACKUP_MARK = 'last-backup';
/** Files that are looked at. */
const MAX_FILES = 1000;
/** Of these what is in them is looked at, too; the other directories are the daemon's while it runs, or a tenant's. */
const INNER = ['keys', 'secrets'];

export async function readStateFiles(
  stateDir: string,
): Promise<{ readonly files: readonly FileFacts[]; readonly parents: readonly FileFacts[] }> {
  const own = await fileFacts(stateDir);
  if (own === null) return { files: [], parents: [] };
  const names = (await orNull(readdir(stateDir, { withFileTypes: true }))) ?? [];
  const paths = names.filter((entry) => entry.isFile() && entry.name !== BACKUP_MARK).map(({ name }) => join(stateDir, name));
  for (const inner of INNER) {
    const directory = join(stateDir, inner);
    const within = await orNull(readdir(directory));
    if (within !== null) paths.push(directory, ...within.map((name) => join(directory, name)));
  }
  const files = await Promise.all(paths.slice(0, MAX_FILES).map(fileFacts));
  const parents: (FileFacts | null)[] = [];
  for (let place = dirname(stateDir); ; place = dirname(place)) {
    parents.push(await fileFacts(place));
    if (place === dirname(place)) break;
  }
  return { files: [own, ...files.filter((file) => file !== null)], parents: parents.filter((file) => file !== null) };
}

export async function readAudit(path: string, keyFile: string): Promise<DoctorFacts['audit']> {
  try {
    await access(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return code === 'ENOENT' ? { verdict: 'absent' } : { verdict: 'unreadable', reason: code };
  }
  try {
    return await verifyAuditLog(path, createPublicKey(createPrivateKey(await readFile(keyFile, 'utf8'))));
  } catch (error) {
    return { verdict: 'unreadable', reason: error instanceof Error ? error.message : String(error) };
  }
}
