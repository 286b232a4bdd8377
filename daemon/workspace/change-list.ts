// The changes of a workspace as callers see them: bounded, in UTF-8, directories only where they say something. Pure.

import type { FileChange } from '../../client/protocol/exec.ts';
import type { TreeChange } from './tree-diff.ts';

/** Bytes of paths in one answer: it must fit into one message. */
const MAX_PATH_BYTES = 256 * 1024;

export interface ChangeList {
  readonly changes: FileChange[];
  readonly total: number;
  readonly truncated: boolean;
}

/** `all` is sorted by path. */
export function changeList(all: readonly TreeChange[], limit: number): ChangeList {
  const parents = new Set(all.map(({ kind, path }) => `${kind} ${path.slice(0, Math.max(0, path.lastIndexOf('/')))}`));
  // A directory that came or went with what is in it says nothing beyond that.
  const telling = all.filter((change) => !(isOfDirectory(change) && parents.has(`${change.kind} ${change.path}`)));
  const changes: FileChange[] = [];
  let pathBytes = 0;
  for (const change of telling) {
    pathBytes += change.path.length;
    if (changes.length >= limit || pathBytes > MAX_PATH_BYTES) break;
    changes.push(fileChange(change));
  }
  return { changes, total: telling.length, truncated: changes.length < telling.length };
}

function isOfDirectory({ kind, before, after }: TreeChange): boolean {
  return kind !== 'changed' && (after ?? before)?.type === 'directory';
}

function fileChange({ path, kind, before, after, sha256 }: TreeChange): FileChange {
  const entry = after ?? before;
  const type = entry?.type ?? 'file';
  return {
    path: shownPath(path),
    kind,
    bytes: type === 'directory' ? 0 : (entry?.size ?? 0),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(type === 'file' ? {} : { type }),
  };
}

/** Bytes that are no UTF-8 become U+FFFD. */
export function shownPath(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

/** The path as text that names the same bytes; undefined if it is no UTF-8. */
export function exactPath(path: string): string | undefined {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
