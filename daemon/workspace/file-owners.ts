// Uids of files that no readable record accounts for. Owns finding them, so that none is given out again.

import { lstat } from 'node:fs/promises';
import type { WorkspaceStore } from './store.ts';

/** Owners of these workspaces and of what is left of them, each once per workspace. */
export async function fileOwners(store: WorkspaceStore, ids: Iterable<string>): Promise<number[]> {
  const owners: number[] = [];
  for (const id of ids) {
    const paths = [store.path(id), ...(await store.listSnapshots(id)).map(({ path }) => path)];
    const uids = await Promise.all(paths.map(async (path) => (await lstat(path).catch(() => undefined))?.uid));
    owners.push(...new Set(uids.filter((uid) => uid !== undefined)));
  }
  return owners;
}
