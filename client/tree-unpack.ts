// Puts an archive that came from a sandbox into a local directory. A tenant chose every name in it, so nothing is written
// outside that directory, through a symlink, or with more rights than plain ones.

import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, rm, symlink } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { extract, type Extract } from 'tar-stream';
import { SandboxError } from './errors.ts';
import { feedArchive } from './protocol/feed-archive.ts';
import { MAX_TREE_ENTRIES, staysInside, treePath } from './protocol/tree-entry.ts';
import type { TreeProgress } from './tree-progress.ts';

type Entry = Extract extends AsyncIterable<infer One> ? One : never;

export interface UnpackOptions {
  readonly root: string;
  readonly maxBytes: number;
  readonly progress: TreeProgress;
}

export async function unpackLocalTree(source: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<void> {
  await mkdir(options.root, { recursive: true });
  const unpacking = new LocalUnpacking(options);
  const archive = extract();
  const feeding = feedArchive(source, archive);
  feeding.catch(() => undefined);
  try {
    for await (const entry of archive) await unpacking.take(entry);
    await feeding;
    await unpacking.finish();
  } finally {
    archive.destroy(null);
  }
}

class LocalUnpacking {
  readonly #options: UnpackOptions;
  /** Directories that were seen to be real ones; nobody else writes below the root meanwhile. */
  readonly #real = new Set<string>();
  readonly #modes: { readonly path: string; readonly mode: number }[] = [];
  readonly #symlinks: { readonly parts: readonly string[]; readonly target: string }[] = [];
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  async take(entry: Entry): Promise<void> {
    const { name, type, mode, size, linkname } = entry.header;
    const parts = treePath(name);
    const refuse = (cause: string): SandboxError =>
      new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot download ${JSON.stringify(name.slice(0, 200))}: ${cause}`);
    if (parts === null || parts.some((part) => sep !== '/' && part.includes(sep)))
      throw refuse('it is not the name of something below the directory');
    const key = parts.join('/');
    if (this.#seen.has(key)) throw refuse('the archive names it twice');
    this.#seen.add(key);
    this.#bytes += size;
    if (this.#seen.size > MAX_TREE_ENTRIES || this.#bytes > this.#options.maxBytes)
      throw new SandboxError('TOO_LARGE', `Cannot download: more than ${MAX_TREE_ENTRIES} entries or ${this.#options.maxBytes} bytes`);
    const path = join(this.#options.root, ...parts);
    if (type === 'directory') {
      await this.#directory(parts);
      if (parts.length > 0) this.#modes.push({ path, mode: mode & 0o777 });
      entry.resume();
    } else if (parts.length === 0) throw refuse('it has no name');
    else if (type === 'file') {
      await this.#directory(parts.slice(0, -1));
      await this.#file(entry, path, mode & 0o777);
    } else if (type === 'symlink' && staysInside(parts, linkname)) {
      this.#symlinks.push({ parts, target: linkname });
      entry.resume();
    } else throw refuse(`it is a ${type} that may not be here`);
  }

  /** Symlinks last: nothing is written through one. */
  async finish(): Promise<void> {
    for (const { parts, target } of this.#symlinks) {
      const path = join(this.#options.root, ...parts);
      // Below real directories only: through another symlink it would lead from somewhere else.
      await this.#directory(parts.slice(0, -1));
      await rm(path, { force: true });
      await symlink(target, path);
    }
    for (const { path, mode } of this.#modes.toReversed()) await chmod(path, mode);
  }

  async #directory(parts: readonly string[]): Promise<void> {
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const path = join(this.#options.root, ...parts.slice(0, depth));
      if (this.#real.has(path)) continue;
      await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error;
      });
      this.#real.add(path);
    }
  }

  async #file(entry: Entry, path: string, mode: number): Promise<void> {
    await rm(path, { force: true });
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      for await (const piece of entry as unknown as AsyncIterable<Uint8Array>) {
        await file.write(piece);
        this.#options.progress.add(piece.byteLength);
      }
      await file.chmod(mode);
    } finally {
      await file.close();
    }
    this.#options.progress.fileDone();
  }
}
