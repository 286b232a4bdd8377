// Makes a tar archive of a tree in a workspace, read through the sandbox's file worker. Owns what goes into it and in which
// order; the host opens nothing of the tenant's.

import { posix } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileEntry, FileListing, FileStat } from '../../client/protocol/files.ts';
import { TAR_END, tarHeader, tarPadding, type TarEntry } from '../../client/protocol/tar-header.ts';
import { MAX_TREE_ENTRIES, staysInside, treePath } from '../../client/protocol/tree-entry.ts';
import type { TreeTransfer } from '../../client/protocol/workspace.ts';

/** Up to here a file is read whole and ahead of its turn. */
const WHOLE_BYTES = 128 * 1024;
/** Files that are read at once. */
const AHEAD = 12;
const MAX_SKIPPED_PATHS = 100;

/** What packing needs of the file worker. */
export interface TreeSource {
  stat(path: string): Promise<FileStat>;
  list(path: string, options: { readonly recursive: boolean; readonly limit: number }): Promise<FileListing>;
  read(path: string, options: { readonly length: number }): AsyncIterable<Uint8Array>;
}

export interface PackOptions {
  readonly source: TreeSource;
  readonly path: string;
  /** False: nobody wants more. */
  readonly send: (bytes: Uint8Array) => Promise<boolean> | boolean;
}

interface Planned {
  readonly entry: FileEntry;
  /** Where it is read. */
  readonly path: string;
  /** Of a small file, being read. */
  readonly content: Promise<Buffer> | null;
}

type Counted = { -readonly [K in keyof TreeTransfer]: TreeTransfer[K] };

export async function packTree({ source, path, send }: PackOptions): Promise<TreeTransfer> {
  const counted: Counted = { files: 0, directories: 0, symlinks: 0, bytes: 0, skipped: 0, skippedPaths: [] };
  for await (const bytes of archiveOf(source, await entriesOf(source, path), counted)) if (!(await send(bytes))) break;
  return counted;
}

async function entriesOf(source: TreeSource, path: string): Promise<Omit<Planned, 'content'>[]> {
  const root = await source.stat(path);
  if (root.kind === 'file') return [{ entry: { ...root, path: posix.basename(path) }, path }];
  if (root.kind !== 'directory') throw new SandboxError('NOT_REGULAR_FILE', `Cannot pack ${JSON.stringify(path)}: it is a ${root.kind}`);
  const { entries, truncated } = await source.list(path, { recursive: true, limit: MAX_TREE_ENTRIES });
  if (truncated)
    throw new SandboxError('TOO_LARGE', `Cannot pack ${JSON.stringify(path)}: it has more than ${MAX_TREE_ENTRIES} entries, or 64 levels`, {
      hint: 'Take its parts one by one.',
    });
  return entries.map((entry) => ({ entry, path: posix.join(path, entry.path) }));
}

async function* archiveOf(
  source: TreeSource,
  entries: readonly Omit<Planned, 'content'>[],
  counted: Counted,
): AsyncGenerator<Uint8Array, void, undefined> {
  const ahead: Planned[] = [];
  const coming = entries.values();
  const plan = (): void => {
    const { value: one } = coming.next();
    if (one === undefined) return;
    const isWhole = one.entry.kind === 'file' && one.entry.size <= WHOLE_BYTES;
    const content = isWhole ? whole(source, one.path, one.entry.size) : null;
    // Heard when its turn comes, or never, if the archive ends before.
    content?.catch(() => undefined);
    ahead.push({ ...one, content });
  };
  for (let planned = 0; planned < AHEAD; planned += 1) plan();
  for (let one = ahead.shift(); one !== undefined; one = ahead.shift()) {
    plan();
    yield* entryOf(source, one, counted);
  }
  yield TAR_END;
}

async function* entryOf(source: TreeSource, one: Planned, counted: Counted): AsyncGenerator<Uint8Array, void, undefined> {
  const { entry } = one;
  const parts = treePath(entry.path) ?? [];
  const header = { name: entry.path, mode: entry.mode & 0o777, size: 0, modifiedAtMs: Date.parse(entry.modifiedAt) };
  const target = entry.symlinkTarget ?? '';
  if (parts.length > 0 && entry.kind === 'directory') {
    counted.directories += 1;
    yield tarHeader({ ...header, type: 'directory', name: `${entry.path}/` });
  } else if (entry.kind === 'symlink' && staysInside(parts, target)) {
    counted.symlinks += 1;
    yield tarHeader({ ...header, type: 'symlink', target });
  } else if (parts.length > 0 && entry.kind === 'file') yield* fileOf(source, one, header, counted);
  else {
    counted.skipped += 1;
    if (counted.skippedPaths.length < MAX_SKIPPED_PATHS) counted.skippedPaths.push(entry.path);
  }
}

async function* fileOf(
  source: TreeSource,
  { entry, path, content }: Planned,
  header: Omit<TarEntry, 'type'>,
  counted: Counted,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = await content?.catch((error: unknown) => {
    // Removed since it was listed.
    if (SandboxError.is(error, 'FILE_NOT_FOUND')) return null;
    throw error;
  });
  if (bytes === null) return;
  const size = bytes?.length ?? entry.size;
  yield tarHeader({ ...header, type: 'file', size });
  if (bytes === undefined) yield* streamed(source, path, size);
  else yield bytes;
  yield tarPadding(size);
  counted.files += 1;
  counted.bytes += size;
}

async function whole(source: TreeSource, path: string, size: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  // A little more, to take a file whole that has grown since it was listed.
  for await (const piece of source.read(path, { length: size + WHOLE_BYTES })) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** One that grows is cut where it ended when it was listed; one that shrinks ends the archive, because its header has been sent. */
async function* streamed(source: TreeSource, path: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  let sent = 0;
  for await (const piece of source.read(path, { length: size })) {
    sent += piece.byteLength;
    yield piece;
  }
  if (sent !== size)
    throw new SandboxError('NO_MATCH', `Cannot pack ${JSON.stringify(path)}: it was changed while it was read`, { retry: 'later' });
}
