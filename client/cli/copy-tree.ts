// Copies a file or directory to or from a sandbox. What a sandbox names is never trusted to stay below the target.

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '../errors.ts';
import type { SandboxFiles } from '../files.ts';

const MAX_ENTRIES = 10_000;

/** Told of every file, and of big ones while they are under way. */
export type OnCopied = (copied: Readonly<Copied>) => void;

export interface Copied {
  files: number;
  bytes: number;
  /** Paths of what was neither file nor directory. */
  readonly skipped: string[];
}

export async function upload(source: string, files: SandboxFiles, target: string, onCopied: OnCopied = () => undefined): Promise<Copied> {
  const copied: Copied = { files: 0, bytes: 0, skipped: [] };
  const isDirectory = (await stat(source)).isDirectory();
  const root = await intoDirectory(
    target,
    basename(source),
    async (path) => (await files.exists(path)) && (await files.stat(path)).kind === 'directory',
    (...parts) => posix.join(...parts),
  );
  if (!isDirectory) {
    await uploadFile(source, files, root, copied, onCopied);
    return copied;
  }
  await files.mkdir(root);
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    const from = join(entry.parentPath, entry.name);
    const to = posix.join(root, ...relative(source, from).split(sep));
    if (entry.isDirectory()) await files.mkdir(to);
    else if (entry.isFile()) await uploadFile(from, files, to, copied, onCopied);
    else if (entry.isSymbolicLink()) await files.symlink(await readlink(from), to);
    else copied.skipped.push(from);
  }
  return copied;
}

/** Symlinks are skipped: where they would lead here is for the tenant to choose. */
export async function download(files: SandboxFiles, source: string, target: string, onCopied: OnCopied = () => undefined): Promise<Copied> {
  const copied: Copied = { files: 0, bytes: 0, skipped: [] };
  const found = await files.stat(source);
  const name = posix.basename(posix.resolve('/', source)) || 'workspace';
  const root = await intoDirectory(target, name, async (path) => (await stat(path).catch(() => undefined))?.isDirectory() === true, join);
  if (found.kind === 'file') {
    await downloadFile(files, source, root, found.mode, copied, onCopied);
    return copied;
  }
  if (found.kind !== 'directory')
    throw new SandboxError('NOT_REGULAR_FILE', `Cannot copy ${JSON.stringify(source)}: it is a ${found.kind}`);
  const { entries, truncated } = await files.list(source, { recursive: true, limit: MAX_ENTRIES });
  if (truncated)
    throw new SandboxError('TOO_LARGE', `Cannot copy ${JSON.stringify(source)}: it has over ${MAX_ENTRIES} entries`, {
      hint: 'Copy its parts, or a tar file of it.',
    });
  await mkdir(root, { recursive: true });
  for (const entry of entries) {
    const to = join(root, ...partsBelow(entry.path));
    if (entry.kind === 'directory') await mkdir(to, { recursive: true });
    else if (entry.kind === 'file') await downloadFile(files, posix.join(source, entry.path), to, entry.mode, copied, onCopied);
    else copied.skipped.push(entry.path);
  }
  return copied;
}

async function uploadFile(source: string, files: SandboxFiles, target: string, copied: Copied, onCopied: OnCopied): Promise<void> {
  const { mode } = await stat(source);
  const content = createReadStream(source, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>;
  await files.write(target, counted(content, copied, onCopied), { mode: mode & 0o777 });
  copied.files += 1;
  onCopied(copied);
}

async function downloadFile(
  files: SandboxFiles,
  source: string,
  target: string,
  mode: number,
  copied: Copied,
  onCopied: OnCopied,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await pipeline(counted(files.readStream(source), copied, onCopied), createWriteStream(target, { mode: mode & 0o777 }));
  copied.files += 1;
  onCopied(copied);
}

async function* counted(content: AsyncIterable<Uint8Array>, copied: Copied, onCopied: OnCopied): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    copied.bytes += bytes.byteLength;
    onCopied(copied);
    yield bytes;
  }
}

/** As cp does: into a directory that exists, otherwise under the very name. */
async function intoDirectory(
  target: string,
  name: string,
  isDirectory: (path: string) => Promise<boolean>,
  joined: (...parts: string[]) => string,
): Promise<string> {
  return (await isDirectory(target)) ? joined(target, name) : target;
}

/** The components of a path that a sandbox named; one that leads out is refused. */
function partsBelow(path: string): string[] {
  const parts = path.split('/');
  const isBelow =
    !path.startsWith('/') &&
    parts.every((part) => part !== '..' && part !== '.' && part !== '' && !part.includes(sep === '/' ? '\0' : sep));
  if (!isBelow)
    throw new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot copy ${JSON.stringify(path)}: it leads out of the target directory`);
  return parts;
}
