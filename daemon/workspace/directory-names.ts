// What lies in a directory of the pool, by name. Owns that nothing there is no failure.

import { lstat, readdir } from 'node:fs/promises';

/** [] for a directory that is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
}

export async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

/** For what is removed while it is looked at: it is not there then. */
export function unlessGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
