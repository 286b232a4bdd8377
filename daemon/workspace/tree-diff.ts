// What differs between two frozen trees: created, changed and deleted entries, with hashes within a budget. Owns when two
// entries count as the same; must not know snapshots or commands.

import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hashFiles } from './tree-hash.ts';
import { listTree, type Tree, type TreeEntry } from './tree-list.ts';

/** Bytes of files that one comparison reads on each side; what is beyond has no hash. */
const MAX_HASHED_BYTES = 1024 ** 3;

/** Times of files go on in steps, at most of this: within one a file can change twice and have one change time. */
const TICK_MS = 20;

export interface TreeChange {
  /** Bytes in latin1, relative to the workspace. */
  readonly path: string;
  readonly kind: 'created' | 'changed' | 'deleted';
  /** Absent: it was not there. */
  readonly before?: TreeEntry | undefined;
  readonly after?: TreeEntry | undefined;
  /** Of the content it has afterwards. */
  readonly sha256?: string | undefined;
}

/** Sorted by the bytes of the path, so a directory comes before its content. `before` lies in a directory made just before it. */
export async function diffTrees(before: string, after: string): Promise<TreeChange[]> {
  const [old, now, { birthtimeMs }] = await Promise.all([listTree(before), listTree(after), stat(dirname(before))]);
  const found = comparedTrees(old, now, birthtimeMs - TICK_MS);
  const budget = { bytes: MAX_HASHED_BYTES };
  const wanted = found.flatMap(({ path, after }) =>
    after?.type === 'file' && takes(budget, after.size) ? [{ path, size: after.size }] : [],
  );
  // Touched, with the same size: only the content can tell.
  const doubtful = new Set(found.filter(isDoubtful).map(({ path }) => path));
  const compared = wanted.filter(({ path }) => doubtful.has(path));
  const [hashes, oldHashes] = await Promise.all([hashFiles(after, wanted), hashFiles(before, compared)]);
  return found.flatMap((change) => {
    const sha256 = hashes.get(change.path);
    if (doubtful.has(change.path) && sha256 !== undefined && oldHashes.get(change.path) === sha256) return [];
    return [sha256 === undefined ? change : { ...change, sha256 }];
  });
}

/**
 * Candidates by metadata alone. An entry whose inode and change time are the same has not been touched, unless that time is
 * about when the old tree was frozen: what changed right after it may bear the same one.
 */
export function comparedTrees(old: Tree, now: Tree, frozenAtMs: number): TreeChange[] {
  const changes: TreeChange[] = [];
  for (const [path, after] of now) {
    const before = old.get(path);
    if (before === undefined) changes.push({ path, kind: 'created', after });
    else if (
      (!isUntouched(before, after) || Number(before.changedAt) * 1000 >= frozenAtMs) &&
      (!looksSame(before, after) || after.type === 'file')
    )
      changes.push({ path, kind: 'changed', before, after });
  }
  for (const [path, before] of old) if (!now.has(path)) changes.push({ path, kind: 'deleted', before });
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Equal in all that a comparison can see without reading; of a directory neither size nor times count. */
export function looksSame(a: TreeEntry, b: TreeEntry): boolean {
  return a.type === b.type && a.mode === b.mode && a.target === b.target && (a.type === 'directory' || a.size === b.size);
}

export function isUntouched(a: TreeEntry, b: TreeEntry): boolean {
  return a.inode === b.inode && a.changedAt === b.changedAt && looksSame(a, b);
}

function isDoubtful({ before, after }: TreeChange): boolean {
  return before !== undefined && after !== undefined && after.type === 'file' && looksSame(before, after);
}

function takes(budget: { bytes: number }, bytes: number): boolean {
  if (bytes > budget.bytes) return false;
  budget.bytes -= bytes;
  return true;
}
