// Who may do what with the devices and directories that all programs of a host share. A sandbox must leave them as they are.

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const DIRECTORIES = ['/dev', '/tmp', '/run', '/proc/sys/kernel', '/sys/fs/cgroup'];
/** Made and removed all the time. */
const PASSING = /^\/(?:tmp|run)\/./;

/** Path -> type, mode, owner and group. */
export async function sharedDevices(): Promise<Readonly<Record<string, string>>> {
  const inside = (await readdir('/dev', { withFileTypes: true })).filter((entry) => !/^(?:loop|dm-|btrfs)/.test(entry.name));
  const paths = [...DIRECTORIES, ...inside.map(({ name }) => join('/dev', name))].filter((path) => !PASSING.test(path));
  const seen = await Promise.all(
    paths.map(async (path) => {
      const { mode, uid, gid } = await lstat(path);
      return [path, `${mode.toString(8)} ${uid}:${gid}`] as const;
    }),
  );
  return Object.fromEntries(seen);
}
