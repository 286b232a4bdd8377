// Gives up root for good and looks whether it is gone. Code is loaded before: the package may lie where only root reads.

import { readFileSync } from 'node:fs';

/** The part of the process that is touched. */
export type Rights = Pick<
  NodeJS.Process,
  'getuid' | 'geteuid' | 'getgid' | 'getegid' | 'getgroups' | 'setuid' | 'setgid' | 'setgroups' | 'umask' | 'chdir'
>;

/** null: done; otherwise why this process must not go on. */
export function dropRights(rights: Rights, identity: { readonly uid: number; readonly gid: number }): string | null {
  const { uid, gid } = identity;
  try {
    rights.chdir('/');
    rights.umask(0o077);
    if (rights.getuid?.() === 0) {
      rights.setgroups?.([]);
      rights.setgid?.(gid);
      rights.setuid?.(uid);
    }
    const ids = [rights.getuid?.(), rights.geteuid?.(), rights.getgid?.(), rights.getegid?.()];
    if (ids.join() !== [uid, uid, gid, gid].join()) return `its identity is ${ids.join()}`;
    if ((rights.getgroups?.() ?? []).some((group) => group !== gid)) return 'it has groups';
    return rightsLeft(readFileSync('/proc/self/status', 'utf8'));
  } catch (error) {
    return error instanceof Error ? error.message : 'its rights could not be dropped';
  }
}

/** Reads a `status` file of /proc; null: no capability is left. */
export function rightsLeft(status: string): string | null {
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) {
    const value = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    if (value === undefined || !/^0+$/.test(value)) return `${set} is ${value ?? 'unknown'}`;
  }
  return null;
}
