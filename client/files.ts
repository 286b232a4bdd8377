// Files of one sandbox's workspace. Paths are relative to the workspace or absolute under /workspace; the daemon judges them.

import type { Connection } from './connection.ts';
import { SandboxError } from './errors.ts';
import type { Data } from './exec-options.ts';
import { FileRead } from './file-read.ts';
import { FileWrite } from './file-write.ts';
import type { FileListing, FileStat, Operation, Params, Result } from './protocol/index.ts';

const MAX_READ_BYTES = 256 * 1024 * 1024;

type Options<O extends Operation, Omitted extends string = never> = Readonly<Omit<Params<O>, 'sandbox' | 'path' | 'stream' | Omitted>>;

export type ReadFileOptions = Options<'files.read'>;
export type WriteFileOptions = Options<'files.write'>;
export type ListOptions = Options<'files.list'>;
export type StatOptions = Options<'files.stat'>;
export type MkdirOptions = Options<'files.mkdir'>;
export type RemoveOptions = Options<'files.remove'>;
export type MoveOptions = Options<'files.move', 'to'>;
export type CopyOptions = Options<'files.copy', 'to'>;

interface FilesHost {
  readonly connection: Connection;
  /** Why nothing can be done there any more. */
  readonly failure: Error | undefined;
}

/**
 * The file verbs of a sandbox; they run inside it, as its user. All reject with a SandboxError, for example
 * FILE_NOT_FOUND, PATH_ESCAPES_WORKSPACE or WORKSPACE_FULL.
 * @example
 *   await sandbox.files.write('src/main.py', 'print(42)');
 *   const text = await sandbox.files.readText('src/main.py');
 */
export class SandboxFiles {
  readonly #host: FilesHost;
  readonly #sandbox: string;

  constructor(host: FilesHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /** The bytes of a file, or `length` of them from `offset`. More than 256 MiB is TOO_LARGE: use readStream. */
  async read(path: string, options: ReadFileOptions = {}): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of this.readStream(path, options)) {
      size += part.byteLength;
      if (size > MAX_READ_BYTES) {
        throw new SandboxError('TOO_LARGE', `Cannot read ${JSON.stringify(path)} at once: it is over ${MAX_READ_BYTES} bytes`, {
          hint: 'Use readStream, or read a part of it with offset and length.',
        });
      }
      parts.push(part);
    }
    return Buffer.concat(parts, size);
  }

  /** The file as UTF-8 text; bytes that are none become U+FFFD. */
  async readText(path: string, options: ReadFileOptions = {}): Promise<string> {
    const bytes = await this.read(path, options);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  }

  /** The bytes as they come, as fast as the loop takes them. */
  readStream(path: string, options: ReadFileOptions = {}): AsyncGenerator<Uint8Array, FileStat, undefined> {
    this.#assertUsable();
    return new FileRead(this.#host.connection, { ...options, sandbox: this.#sandbox, path }).read();
  }

  /**
   * Puts a file in place at once and whole; parents are created. `ifMatch` is the SHA-256 the present content must have,
   * `exclusive` refuses an existing file.
   */
  async write(path: string, data: Data | AsyncIterable<Data>, options: WriteFileOptions = {}): Promise<FileStat> {
    this.#assertUsable();
    return await new FileWrite(this.#host.connection, { ...options, sandbox: this.#sandbox, path }, data).result;
  }

  /** Entries of a directory; `truncated` says that `limit` (default 1000) cut the list. */
  list(path: string, options: ListOptions = {}): Promise<FileListing> {
    return this.#call('files.list', { ...options, sandbox: this.#sandbox, path });
  }

  stat(path: string, options: StatOptions = {}): Promise<FileStat> {
    return this.#call('files.stat', { ...options, sandbox: this.#sandbox, path });
  }

  /** False where nothing is, a dangling symlink included; a path outside the workspace is still an error. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (SandboxError.is(error, 'FILE_NOT_FOUND') || SandboxError.is(error, 'NOT_DIRECTORY')) return false;
      throw error;
    }
  }

  /** Creates a directory, with its parents unless `parents` is false. */
  async mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    await this.#call('files.mkdir', { ...options, sandbox: this.#sandbox, path });
  }

  /** Removes a file, or a directory: an empty one, or any with `recursive`. `force`: nothing there is fine. */
  async remove(path: string, options: RemoveOptions = {}): Promise<void> {
    await this.#call('files.remove', { ...options, sandbox: this.#sandbox, path });
  }

  async move(from: string, to: string, options: MoveOptions = {}): Promise<void> {
    await this.#call('files.move', { ...options, sandbox: this.#sandbox, path: from, to });
  }

  async copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    await this.#call('files.copy', { ...options, sandbox: this.#sandbox, path: from, to });
  }

  /** Sets the permission bits, 0 to 0o777. */
  async chmod(path: string, mode: number): Promise<void> {
    await this.#call('files.chmod', { sandbox: this.#sandbox, path, mode });
  }

  /** Where a symlink points, as it was written. */
  async readlink(path: string): Promise<string> {
    return (await this.#call('files.readlink', { sandbox: this.#sandbox, path })).target;
  }

  /** Creates a symlink at `path`; `target` is not resolved. */
  async symlink(target: string, path: string): Promise<void> {
    await this.#call('files.symlink', { sandbox: this.#sandbox, path, target });
  }

  async #call<O extends Operation>(op: O, params: Params<O>): Promise<Result<O>> {
    this.#assertUsable();
    return await this.#host.connection.call(op, params);
  }

  #assertUsable(): void {
    if (this.#host.failure !== undefined) throw this.#host.failure;
  }
}
