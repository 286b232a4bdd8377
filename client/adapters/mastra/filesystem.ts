// The files of a Mastra workspace: those of the sandbox's own workspace, with the errors that Mastra knows.

import { basename } from 'node:path/posix';
import {
  DirectoryNotEmptyError,
  DirectoryNotFoundError,
  FileExistsError,
  FileNotFoundError,
  IsDirectoryError,
  MastraFilesystem,
  NotDirectoryError,
  PermissionError,
  StaleFileError,
  type CopyOptions,
  type FileContent,
  type FileEntry,
  type FileStat,
  type ListOptions,
  type ProviderStatus,
  type ReadOptions,
  type RemoveOptions,
  type WriteOptions,
} from '@mastra/core/workspace';
import { SandboxError } from '../../errors.ts';
import type { SandboxFiles } from '../../files.ts';
import { forModel } from '../answer.ts';
import { below, inWorkspace } from '../workspace-path.ts';
import type { CloisterSandbox } from './sandbox.ts';

const MAX_LISTED = 100_000;

/** `/` is /workspace. Opens the sandbox when it is first used. */
export class CloisterFilesystem extends MastraFilesystem {
  readonly id: string;
  readonly name = 'CloisterFilesystem';
  readonly provider = 'cloister';
  status: ProviderStatus = 'pending';
  readonly #sandbox: CloisterSandbox;

  constructor(sandbox: CloisterSandbox) {
    super({ name: 'CloisterFilesystem' });
    this.id = `${sandbox.id}-files`;
    this.#sandbox = sandbox;
  }

  resolveAbsolutePath(path: string): string {
    return below(inWorkspace(path), '').replace(/\/$/, '');
  }

  async readFile(path: string, options: ReadOptions = {}): Promise<string | Buffer> {
    const bytes = await this.#do(path, 'read', (files, at) => files.read(at));
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return options.encoding === undefined ? buffer : buffer.toString(options.encoding);
  }

  async writeFile(
    path: string,
    content: FileContent,
    { recursive = true, overwrite = true, expectedMtime }: WriteOptions = {},
  ): Promise<void> {
    await this.#do(path, 'write', async (files, at) => {
      if (!recursive && !(await files.exists(below(at, '..')))) throw new DirectoryNotFoundError(below(path, '..'));
      if (expectedMtime !== undefined && (await files.exists(at))) {
        const { modifiedAt } = await files.stat(at);
        // A Date holds milliseconds.
        if (new Date(modifiedAt).getTime() !== expectedMtime.getTime()) throw new StaleFileError(path, expectedMtime, new Date(modifiedAt));
      }
      await files.write(at, content, { exclusive: !overwrite });
    });
  }

  async appendFile(path: string, content: FileContent): Promise<void> {
    await this.#do(path, 'write', (files, at) => files.write(at, content, { append: true }));
  }

  async deleteFile(path: string, { force = false }: RemoveOptions = {}): Promise<void> {
    await this.#do(path, 'delete', async (files, at) => {
      if ((await this.#kindOf(files, at)) === 'directory') throw new IsDirectoryError(path);
      await files.remove(at, { force });
    });
  }

  async copyFile(source: string, target: string, { overwrite = true, recursive = false }: CopyOptions = {}): Promise<void> {
    await this.#do(source, 'copy', (files, at) => files.copy(at, inWorkspace(target), { overwrite, recursive }));
  }

  async moveFile(source: string, target: string, { overwrite = true }: CopyOptions = {}): Promise<void> {
    await this.#do(source, 'move', (files, at) => files.move(at, inWorkspace(target), { overwrite }));
  }

  async mkdir(path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    await this.#do(path, 'mkdir', async (files, at) => {
      if (!recursive && (await files.exists(at))) throw new FileExistsError(path);
      await files.mkdir(at, { parents: recursive });
    });
  }

  async rmdir(path: string, { recursive = false, force = false }: RemoveOptions = {}): Promise<void> {
    await this.#do(path, 'rmdir', async (files, at) => {
      const kind = await this.#kindOf(files, at);
      if (kind === null && !force) throw new DirectoryNotFoundError(path);
      if (kind !== null && kind !== 'directory') throw new NotDirectoryError(path);
      if (kind !== null && !recursive && (await files.list(at, { limit: 1 })).entries.length > 0) throw new DirectoryNotEmptyError(path);
      await files.remove(at, { recursive, force });
    });
  }

  async readdir(path: string, { recursive = false, extension, maxDepth }: ListOptions = {}): Promise<FileEntry[]> {
    const extensions = extension === undefined ? undefined : [extension].flat();
    const { entries } = await this.#do(path, 'readdir', (files, at) => files.list(at, { recursive, limit: MAX_LISTED }));
    return entries
      .filter((entry) => maxDepth === undefined || entry.path.split('/').length <= maxDepth)
      .filter(({ kind, path }) => extensions === undefined || kind === 'directory' || extensions.some((ending) => path.endsWith(ending)))
      .map(({ path: name, kind, size, symlinkTarget }) => ({
        name,
        type: kind === 'directory' ? 'directory' : 'file',
        size,
        ...(symlinkTarget === undefined ? {} : { isSymlink: true, symlinkTarget }),
      }));
  }

  async exists(path: string): Promise<boolean> {
    return await this.#do(path, 'exists', (files, at) => files.exists(at));
  }

  async stat(path: string): Promise<FileStat> {
    const { kind, size, modifiedAt } = await this.#do(path, 'stat', (files, at) => files.stat(at));
    const at = new Date(modifiedAt);
    const absolute = this.resolveAbsolutePath(path);
    const isDirectory = kind === 'directory';
    return {
      name: basename(absolute),
      path: absolute,
      type: isDirectory ? 'directory' : 'file',
      size: isDirectory ? 0 : size,
      createdAt: at,
      modifiedAt: at,
    };
  }

  async #kindOf(files: SandboxFiles, at: string): Promise<string | null> {
    return (await files.exists(at)) ? (await files.stat(at)).kind : null;
  }

  async #do<T>(path: string, operation: string, task: (files: SandboxFiles, at: string) => Promise<T>): Promise<T> {
    const { files } = await this.#sandbox.opened();
    try {
      return await task(files, inWorkspace(path));
    } catch (error) {
      throw translated(error, path, operation);
    }
  }
}

function translated(error: unknown, path: string, operation: string): Error {
  if (!SandboxError.is(error)) return forModel(error);
  switch (error.code) {
    case 'FILE_NOT_FOUND':
      return operation === 'readdir' || operation === 'rmdir' ? new DirectoryNotFoundError(path) : new FileNotFoundError(path);
    case 'FILE_EXISTS':
      return new FileExistsError(path);
    case 'IS_DIRECTORY':
      return new IsDirectoryError(path);
    case 'NOT_DIRECTORY':
      return new NotDirectoryError(path);
    case 'PERMISSION_DENIED':
    case 'FORBIDDEN':
    case 'PATH_ESCAPES_WORKSPACE':
      return new PermissionError(path, operation);
    default:
      return forModel(error);
  }
}
