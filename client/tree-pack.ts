// A local tree as the bytes of a tar archive, read as they are asked for. Owns what of a tree travels.

import { constants } from 'node:fs';
import { lstat, open, opendir, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SandboxError } from './errors.ts';
import { TAR_END, tarHeader, tarPadding } from './protocol/tar-header.ts';
import { MAX_TREE_ENTRIES, staysInside, treePath } from './protocol/tree-entry.ts';
import type { TreeProgress } from './tree-progress.ts';

const READ_BYTES = 256 * 1024;
/** Small pieces travel together. */
const PIECE_BYTES = 64 * 1024;

export interface PackedTree {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** What was left out, so far. */
  readonly skipped: string[];
}

export function packLocalTree(root: string, progress: TreeProgress): PackedTree {
  const skipped: string[] = [];
  return { bytes: together(archiveOf(root, progress, skipped)), skipped };
}

async function* archiveOf(root: string, progress: TreeProgress, skipped: string[]): AsyncGenerator<Uint8Array, void, undefined> {
  if ((await lstat(root)).isDirectory()) yield* directoriesOf(root, progress, skipped);
  else yield* fileOf(root, basename(root), progress);
  yield TAR_END;
}

async function* directoriesOf(root: string, progress: TreeProgress, skipped: string[]): AsyncGenerator<Uint8Array, void, undefined> {
  const pending: string[] = [''];
  let entries = 0;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for await (const entry of await opendir(join(root, directory))) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      entries += 1;
      if (entries > MAX_TREE_ENTRIES)
        throw new SandboxError('TOO_LARGE', `Cannot upload ${JSON.stringify(root)}: it has more than ${MAX_TREE_ENTRIES} entries`);
      const local = join(root, path);
      const parts = treePath(path);
      if (parts === null) skipped.push(path);
      else if (entry.isFile()) yield* fileOf(local, path, progress);
      else if (entry.isDirectory()) {
        const { mode, mtimeMs } = await lstat(local);
        yield tarHeader({ type: 'directory', name: `${path}/`, mode: mode & 0o777, size: 0, modifiedAtMs: mtimeMs });
        pending.push(path);
      } else {
        const target = entry.isSymbolicLink() ? await readlink(local) : '';
        if (staysInside(parts, target)) yield tarHeader({ type: 'symlink', name: path, target, mode: 0o777, size: 0, modifiedAtMs: 0 });
        else skipped.push(path);
      }
    }
  }
}

async function* fileOf(local: string, name: string, progress: TreeProgress): AsyncGenerator<Uint8Array, void, undefined> {
  // A FIFO that took the place of a file must not be waited for.
  const file = await open(local, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size, mode, mtimeMs } = await file.stat();
    yield tarHeader({ type: 'file', name, mode: mode & 0o777, size, modifiedAtMs: mtimeMs });
    for (let at = 0; at < size; ) {
      const length = Math.min(READ_BYTES, size - at);
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw new Error(`${local} became shorter while it was read`);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
      progress.add(bytesRead);
    }
    yield tarPadding(size);
    progress.fileDone();
  } finally {
    await file.close();
  }
}

async function* together(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.byteLength;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}
