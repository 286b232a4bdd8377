// One file as it lies there, for the doctor's facts.

import { lstat } from 'node:fs/promises';
import type { FileFacts } from './facts.ts';

export const orNull = <T>(promise: Promise<T>): Promise<T | null> => promise.catch(() => null);

/** null: it is not there, or may not be looked at. A symlink is looked at itself. */
export async function fileFacts(path: string): Promise<FileFacts | null> {
  const stat = await orNull(lstat(path));
  return stat === null ? null : { path, mode: stat.mode & 0o7777, uid: stat.uid, modifiedAtMs: stat.mtimeMs };
}
