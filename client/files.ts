// Files of one sandbox's workspace. Paths are relative to the workspace or absolute under /workspace; the daemon judges them.

import type { Connection } from './connection.ts';
import { SandboxError } from './errors.ts';
import type { Data } from './exec-options.ts';
import { FileRead } from './file-read.ts';
import { FileWrite } from './file-write.ts';
import type { TransferOptions } from './tree-progress.ts';
import { downloadTree, uploadTree, type DownloadOptions } from './tree-transfer.ts';
import { find, findAll } from './file-search.ts';
import type { FileEntry, FileListing, FileModes, FileStat, Operation, Params, Result, TreeTransfer } from './protocol/index.ts';
import type { GrepLine, GrepSummary, WalkSummary, WatchEvent } from './protocol/index.ts';
import type { EditResult, FileView, InsertResult, PatchResult, UndoResult } from './protocol/index.ts';
import { fileText, type InsertOptions, type LineRange, type PatchOptions, type TextEdit, TextFiles } from './text-files.ts';

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
export type ChmodOptions = Options<'files.chmod', 'mode'>;
/** `path`: where to look; the workspace unless given. */
export type GlobOptions = Options<'files.glob', 'pattern'> & SearchOptions;
export type GrepOptions = Options<'files.grep', 'pattern'> & SearchOptions;
export type WatchOptions = Options<'files.watch'> & { readonly signal?: AbortSignal };
export type GlobResult = WalkSummary & { readonly entries: readonly FileEntry[]; readonly paths: readonly string[] };
export type GrepResult = GrepSummary & { readonly lines: readonly GrepLine[] };

interface SearchOptions {
  readonly path?: string;
  readonly signal?: AbortSignal;
}

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
  readonly #text: TextFiles;

  constructor(host: FilesHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
    this.#text = new TextFiles(host, sandbox);
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

  /**
   * The file as text: UTF-16 where its byte order mark says so, otherwise UTF-8, with U+FFFD for bytes that are none.
   * With `startLine` or `endLine` (1-based, inclusive) these lines as they are; binary files are INVALID_REQUEST then.
   */
  async readText(path: string, options: ReadFileOptions | LineRange = {}): Promise<string> {
    if ('startLine' in options || 'endLine' in options) return await this.#text.lines(path, options);
    return fileText(await this.read(path, options as ReadFileOptions));
  }

  /**
   * Replaces text that occurs exactly once, or everywhere with `replaceAll`; several edits in one atomic write. Byte order
   * mark, encoding and line ends stay. NO_MATCH says which line is nearest, AMBIGUOUS_MATCH which lines match.
   * @example await sandbox.files.edit('src/main.py', { oldText: 'print(41)', newText: 'print(42)' });
   */
  edit(path: string, edits: TextEdit | readonly TextEdit[]): Promise<EditResult> {
    return this.#text.edit(path, edits);
  }

  /** Applies a unified diff or V4A (`*** Begin Patch`) to all its files or to none; `path` names the file of bare hunks. */
  patch(patch: string, options: PatchOptions = {}): Promise<PatchResult> {
    return this.#text.patch(patch, options);
  }

  /** Puts lines after line `line`; 0 is the top. */
  insert(path: string, options: InsertOptions): Promise<InsertResult> {
    return this.#text.insert(path, options);
  }

  /** Numbered lines of a file, or a directory two levels deep without hidden entries. */
  view(path: string, range: LineRange = {}): Promise<FileView> {
    return this.#text.view(path, range);
  }

  /** Takes back the last edit, insert or patch of this file in this session; NO_MATCH if it was written since. */
  undoEdit(path: string): Promise<UndoResult> {
    return this.#text.undoEdit(path);
  }

  /** The bytes as they come, as fast as the loop takes them. */
  readStream(path: string, options: ReadFileOptions = {}): AsyncGenerator<Uint8Array, FileStat, undefined> {
    this.#assertUsable();
    return new FileRead(this.#host.connection, 'files.read', { ...options, sandbox: this.#sandbox, path }).read();
  }

  /**
   * Puts a file in place at once and whole; parents are created. `ifMatch` is the SHA-256 the present content must have,
   * `exclusive` refuses an existing file.
   */
  async write(path: string, data: Data | AsyncIterable<Data>, options: WriteFileOptions = {}): Promise<FileStat> {
    this.#assertUsable();
    return await new FileWrite(this.#host.connection, 'files.write', { ...options, sandbox: this.#sandbox, path }, data).result;
  }

  /**
   * Entries of a directory, by name, a directory before its content. `truncated` says that something was left out, `limit`
   * (default 1000) for example, and `omitted` what; go on with `after`: the path of the last entry.
   */
  async list(path: string, options: ListOptions = {}): Promise<FileListing> {
    const { found, summary } = await findAll(this.#usable(), 'files.list', { ...options, sandbox: this.#sandbox, path });
    return { ...summary, entries: found };
  }

  /**
   * Files below `path` (the workspace) whose path from there matches one of the patterns and none that begins with `!`.
   * Paths in the answer are from the workspace. `gitignore` passes over what .gitignore files name.
   * @example const { paths } = await sandbox.files.glob('src/**\/*.{ts,tsx}', { gitignore: true });
   */
  async glob(pattern: string | readonly string[], options: GlobOptions = {}): Promise<GlobResult> {
    const { signal, ...rest } = options;
    const params = { path: '.', ...rest, pattern: typeof pattern === 'string' ? pattern : [...pattern], sandbox: this.#sandbox };
    const { found, summary } = await findAll(this.#usable(), 'files.glob', params, signal);
    return { ...summary, entries: found, paths: found.map((entry) => entry.path) };
  }

  /**
   * Lines that match a regular expression (or, with `literal`, contain a text), file by file. Linear in the size of the files
   * whatever the pattern; back-references and looking around are INVALID_REQUEST. Binary files are counted and left alone.
   * @example const { lines } = await sandbox.files.grep('import\\b', { glob: '*.ts', gitignore: true, before: 1 });
   */
  async grep(pattern: string, options: GrepOptions = {}): Promise<GrepResult> {
    const { signal, ...rest } = options;
    const { found, summary } = await findAll(this.#usable(), 'files.grep', { path: '.', ...rest, pattern, sandbox: this.#sandbox }, signal);
    return { ...summary, lines: found };
  }

  /**
   * What happens below a directory, or to a file, from the event `ready` on, until the loop is left or the signal aborts.
   * `overflow` says that events were lost. A lost connection or file worker ends it with an error: look again, then watch.
   * @example for await (const event of sandbox.files.watch('src')) console.log(event.type, event.path);
   */
  watch(path = '.', options: WatchOptions = {}): AsyncGenerator<WatchEvent, unknown, undefined> {
    const { signal, ...rest } = options;
    return find(this.#usable(), 'files.watch', { ...rest, sandbox: this.#sandbox, path }, signal);
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

  /** Removes a file, or with `recursive` a directory, even an empty one; says how many entries. `force`: nothing there is fine. */
  async remove(path: string, options: RemoveOptions = {}): Promise<{ readonly removed: number }> {
    return await this.#call('files.remove', { ...options, sandbox: this.#sandbox, path });
  }

  async move(from: string, to: string, options: MoveOptions = {}): Promise<void> {
    await this.#call('files.move', { ...options, sandbox: this.#sandbox, path: from, to });
  }

  async copy(from: string, to: string, options: CopyOptions = {}): Promise<void> {
    await this.#call('files.copy', { ...options, sandbox: this.#sandbox, path: from, to });
  }

  /** Sets the permission bits, 0 to 0o777. `recursive`: of all below as well, of directories with x wherever `mode` has r. */
  async chmod(path: string, mode: number, options: ChmodOptions = {}): Promise<FileModes> {
    return await this.#call('files.chmod', { ...options, sandbox: this.#sandbox, path, mode });
  }

  /** Where a symlink points, as it was written. */
  async readlink(path: string): Promise<string> {
    return (await this.#call('files.readlink', { sandbox: this.#sandbox, path })).target;
  }

  /** Creates a symlink at `path`; `target` is not resolved. */
  async symlink(target: string, path: string): Promise<void> {
    await this.#call('files.symlink', { sandbox: this.#sandbox, path, target });
  }

  /**
   * Copies a local directory (its content) or file into a directory of the workspace, as one stream. Symlinks that stay inside are
   * kept; other things are skipped and counted. Existing files are replaced.
   * @example await sandbox.files.upload('./project', 'src', { onProgress: ({ files }) => console.log(files) });
   */
  async upload(localPath: string, path: string, options: TransferOptions = {}): Promise<TreeTransfer> {
    this.#assertUsable();
    return await uploadTree(this.#host.connection, this.#sandbox, localPath, path, options);
  }

  /** Copies a directory of the workspace (its content) or a file into a local directory, which is made. Only regular files, directories and symlinks that stay inside. */
  async download(path: string, localDirectory: string, options: DownloadOptions = {}): Promise<TreeTransfer> {
    this.#assertUsable();
    return await downloadTree(this.#host.connection, this.#sandbox, path, localDirectory, options);
  }

  async #call<O extends Operation>(op: O, params: Params<O>): Promise<Result<O>> {
    this.#assertUsable();
    return await this.#host.connection.call(op, params);
  }

  #usable(): Connection {
    this.#assertUsable();
    return this.#host.connection;
  }

  #assertUsable(): void {
    if (this.#host.failure !== undefined) throw this.#host.failure;
  }
}
