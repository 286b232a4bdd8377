// Puts a tar archive that a client sends into a workspace, entry by entry through the sandbox's file worker: as its user, in
// its mounts, so a symlink that a tenant flips meanwhile leads nowhere else. Nothing of an archive is written by the host.

import PQueue from 'p-queue';
import { extract, type Extract, type Header } from 'tar-stream';
import { SandboxError } from '../../client/protocol/errors.ts';
import { feedArchive } from '../../client/protocol/feed-archive.ts';
import { MAX_TREE_ENTRIES, staysInside, treePath } from '../../client/protocol/tree-entry.ts';
import type { TreeTransfer } from '../../client/protocol/workspace.ts';

/** Files written at once, below what the file worker takes. */
const CONCURRENCY = 12;
const MAX_QUEUED = 48;
/** Up to here a file is taken whole, so that others can be written at the same time. */
const WHOLE_BYTES = 128 * 1024;
const DIRECTORY_MODE = 0o755;

type Entry = Extract extends AsyncIterable<infer One> ? One : never;

/** What unpacking needs of the file worker. */
export interface TreeTarget {
  write(path: string, source: Uint8Array | AsyncIterable<Uint8Array>, options: { readonly mode: number }): Promise<unknown>;
  mkdir(path: string, options: { readonly mode: number }): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  remove(path: string, options: { readonly force: boolean }): Promise<void>;
  symlink(path: string, target: string): Promise<void>;
}

export interface UnpackOptions {
  readonly source: AsyncIterable<Uint8Array>;
  readonly target: TreeTarget;
  /** Directory of the workspace; made if there is none. */
  readonly path: string;
  /** Bytes of content; TOO_LARGE above it. The archive is not compressed, so there is never more in it than what was sent. */
  readonly maxBytes: number;
}

interface Counted extends TreeTransfer {
  files: number;
  directories: number;
  symlinks: number;
  bytes: number;
}

/** INVALID_REQUEST for an entry that may not be; what came before it is then in place. */
export async function unpackTree(options: UnpackOptions): Promise<TreeTransfer> {
  const unpacking = new Unpacking(options);
  await options.target.mkdir(options.path, { mode: DIRECTORY_MODE });
  const archive = extract();
  // Not before the loop below is about to listen: an entry that nobody hears of is lost.
  const feeding = feedArchive(options.source, archive);
  feeding.catch(() => undefined);
  try {
    for await (const entry of archive) await unpacking.take(entry);
    await feeding;
    return await unpacking.finish();
  } catch (error) {
    archive.destroy(null);
    await unpacking.giveUp();
    throw SandboxError.is(error) || !isOfTar(error)
      ? error
      : new SandboxError('INVALID_REQUEST', `Cannot unpack: ${error.message}`, {
          hint: 'Send an uncompressed tar archive.',
        });
  }
}

class Unpacking {
  readonly #options: UnpackOptions;
  readonly #queue = new PQueue({ concurrency: CONCURRENCY });
  readonly #seen = new Set<string>();
  readonly #modes: { readonly path: string; readonly mode: number }[] = [];
  readonly #symlinks: { readonly path: string; readonly target: string }[] = [];
  readonly #counted: Counted = { files: 0, directories: 0, symlinks: 0, bytes: 0, skipped: 0, skippedPaths: [] };
  #failure: { readonly error: unknown } | null = null;

  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  async take(entry: Entry): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const { header } = entry;
    const parts = this.#judge(header);
    const path = [this.#options.path, ...parts].join('/');
    const mode = header.mode & 0o777;
    if (header.type === 'file') await this.#file(entry, path, mode);
    else {
      entry.resume();
      if (header.type === 'symlink') this.#symlinks.push({ path, target: header.linkname });
      else if (parts.length > 0) await this.#directory(path, mode);
    }
  }

  /** Symlinks last: nothing of the archive is ever written through one of them. Then modes, the deepest first. */
  async finish(): Promise<TreeTransfer> {
    await this.#settled();
    const { target } = this.#options;
    for (const { path, target: leadsTo } of this.#symlinks) {
      await this.#enqueue(async () => {
        await target.remove(path, { force: true });
        await target.symlink(path, leadsTo);
        this.#counted.symlinks += 1;
      });
    }
    await this.#settled();
    for (const { path, mode } of this.#modes.toReversed()) await target.chmod(path, mode);
    return this.#counted;
  }

  async giveUp(): Promise<void> {
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  #judge(header: Header): string[] {
    const cannot = `Cannot unpack ${JSON.stringify(header.name.slice(0, 200))}`;
    const refuse = (cause: string): never => {
      throw new SandboxError('INVALID_REQUEST', `${cannot}: ${cause}`, {
        hint: 'Only files, directories and symlinks that stay inside are unpacked, each name once.',
      });
    };
    const parts = treePath(header.name);
    if (parts === null) throw new SandboxError('PATH_ESCAPES_WORKSPACE', `${cannot}: it is not the name of something below the directory`);
    if (header.type !== 'file' && header.type !== 'directory' && header.type !== 'symlink') refuse(`it is a ${header.type}`);
    if (parts.length === 0 && header.type !== 'directory') refuse('it has no name');
    if (header.type === 'symlink' && !staysInside(parts, header.linkname)) refuse('it is a symlink that leads out');
    const name = parts.join('/');
    if (this.#seen.has(name)) refuse('the archive names it twice');
    this.#seen.add(name);
    const { maxBytes } = this.#options;
    if (this.#seen.size > MAX_TREE_ENTRIES) throw new SandboxError('TOO_LARGE', `Cannot unpack: more than ${MAX_TREE_ENTRIES} entries`);
    if (header.type === 'file') this.#counted.bytes += header.size;
    if (this.#counted.bytes > maxBytes) throw new SandboxError('TOO_LARGE', `Cannot unpack: the files have more than ${maxBytes} bytes`);
    return parts;
  }

  async #file(entry: Entry, path: string, mode: number): Promise<void> {
    const { target } = this.#options;
    if (entry.header.size > WHOLE_BYTES) {
      await target.write(path, entry as unknown as AsyncIterable<Uint8Array>, { mode });
      this.#counted.files += 1;
      return;
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of entry as unknown as AsyncIterable<Uint8Array>) pieces.push(piece);
    await this.#enqueue(async () => {
      await target.write(path, Buffer.concat(pieces), { mode });
      this.#counted.files += 1;
    });
  }

  async #directory(path: string, mode: number): Promise<void> {
    if (mode !== DIRECTORY_MODE) this.#modes.push({ path, mode });
    await this.#enqueue(async () => {
      await this.#options.target.mkdir(path, { mode: DIRECTORY_MODE });
      this.#counted.directories += 1;
    });
  }

  /** Resolves when there is room for more. */
  async #enqueue(task: () => Promise<void>): Promise<void> {
    await this.#queue.onSizeLessThan(MAX_QUEUED);
    if (this.#failure !== null) throw this.#failure.error;
    void this.#queue.add(task).catch((error: unknown) => {
      this.#failure ??= { error };
      this.#queue.clear();
    });
  }

  async #settled(): Promise<void> {
    await this.#queue.onIdle();
    if (this.#failure !== null) throw this.#failure.error;
  }
}

function isOfTar(error: unknown): error is Error {
  return error instanceof Error && /tar|unexpected end|header/i.test(error.message);
}
