// The files of a Mastra workspace: those of the sandbox's own workspace, with the errors that Mastra knows.

import { basename } from 'node:path/posix';
import * as mastra from '@mastra/core/workspace';
import { type ErrorCode, SandboxError } from '../../errors.ts';
import type { SandboxFiles } from '../../files.ts';
import { forModel } from '../answer.ts';
import { kindOf } from '../workspace-files.ts';
import { below, inWorkspace } from '../workspace-path.ts';
import type { CloisterSandbox } from './sandbox.ts';

const MAX_LISTED = 100_000;

/** `/` is /workspace. Opens the sandbox when it is first used. */
export class CloisterFilesystem extends mastra.MastraFilesystem {
  readonly id: string;
  readonly name = 'CloisterFilesystem';
  readonly provider = 'cloister';
  status: mastra.ProviderStatus = 'pending';
  readonly #sandbox: CloisterSandbox;

  constructor(sandbox: CloisterSandbox) {
    super({ name: 'CloisterFilesystem' });
    this.id = `${sandbox.id}-files`;
    this.#sandbox = sandbox;
  }

  resolveAbsolutePath(path: string): string {
    return below(inWorkspace(path), '').replace(/\/$/, '');
  }

  async readFile(path: string, { encoding }: mastra.ReadOptions = {}): Promise<string | Buffer> {
    const buffer = Buffer.from(await this.#do(path, 'read', (files, at) => files.read(at)));
    return encoding === undefined ? buffer : buffer.toString(encoding);
  }

  async writeFile(path: string, content: mastra.FileContent, options: mastra.WriteOptions = {}): Promise<void> {
    const { recursive = true, overwrite = true, expectedMtime } = options;
    await this.#do(path, 'write', async (files, at) => {
      if (!recursive && !(await files.exists(below(at, '..')))) throw new mastra.DirectoryNotFoundError(below(path, '..'));
      if (expectedMtime !== undefined && (await files.exists(at))) {
        // A Date holds milliseconds.
        const found = new Date((await files.stat(at)).modifiedAt);
        if (found.getTime() !== expectedMtime.getTime()) throw new mastra.StaleFileError(path, expectedMtime, found);
      }
      await files.write(at, content, { exclusive: !overwrite });
    });
  }

  async appendFile(path: string, content: mastra.FileContent): Promise<void> {
    await this.#do(path, 'write', (files, at) => files.write(at, content, { append: true }));
  }

  async deleteFile(path: string, { force = false }: mastra.RemoveOptions = {}): Promise<void> {
    await this.#do(path, 'delete', (files, at) => files.remove(at, { force }));
  }

  async copyFile(source: string, target: string, { overwrite = true, recursive = false }: mastra.CopyOptions = {}): Promise<void> {
    await this.#do(source, 'copy', (files, at) => files.copy(at, inWorkspace(target), { overwrite, recursive }));
  }

  async moveFile(source: string, target: string, { overwrite = true }: mastra.CopyOptions = {}): Promise<void> {
    await this.#do(source, 'move', (files, at) => files.move(at, inWorkspace(target), { overwrite }));
  }

  async mkdir(path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    await this.#do(path, 'mkdir', (files, at) => files.mkdir(at, { parents: recursive }));
  }

  async rmdir(path: string, { recursive = false, force = false }: mastra.RemoveOptions = {}): Promise<void> {
    await this.#do(path, 'rmdir', async (files, at) => {
      const kind = await kindOf(files, at);
      if (kind !== null && kind !== 'directory') throw new mastra.NotDirectoryError(path);
      const isEmpty = kind === null || (await files.list(at, { limit: 1 })).entries.length === 0;
      if (!recursive && !isEmpty) throw new mastra.DirectoryNotEmptyError(path);
      // The verb takes directories only so.
      await files.remove(at, { recursive: true, force });
    });
  }

  async readdir(path: string, { recursive = false, extension, maxDepth = Infinity }: mastra.ListOptions = {}): Promise<mastra.FileEntry[]> {
    const endings = extension === undefined ? [''] : [extension].flat();
    const { entries } = await this.#do(path, 'readdir', (files, at) => files.list(at, { recursive, limit: MAX_LISTED }));
    return entries
      .filter((entry) => entry.path.split('/').length <= maxDepth)
      .filter((entry) => entry.kind === 'directory' || endings.some((ending) => entry.path.endsWith(ending)))
      .map(({ path: name, kind, size, symlinkTarget }) => ({
        name,
        size,
        ...typeOf(kind),
        ...(symlinkTarget === undefined ? {} : { isSymlink: true, symlinkTarget }),
      }));
  }

  async exists(path: string): Promise<boolean> {
    return await this.#do(path, 'exists', (files, at) => files.exists(at));
  }

  async stat(path: string): Promise<mastra.FileStat> {
    const { kind, size, modifiedAt } = await this.#do(path, 'stat', (files, at) => files.stat(at));
    const at = new Date(modifiedAt);
    const absolute = this.resolveAbsolutePath(path);
    return {
      name: basename(absolute),
      path: absolute,
      ...typeOf(kind),
      size: kind === 'directory' ? 0 : size,
      createdAt: at,
      modifiedAt: at,
    };
  }

  async #do<T>(path: string, operation: string, task: (files: SandboxFiles, at: string) => Promise<T>): Promise<T> {
    const { files } = await this.#sandbox.opened();
    try {
      return await task(files, inWorkspace(path));
    } catch (error) {
      throw (SandboxError.is(error) ? ERRORS[error.code]?.(path, operation) : undefined) ?? forModel(error);
    }
  }
}

const typeOf = (kind: string): { type: 'file' | 'directory' } => ({ type: kind === 'directory' ? 'directory' : 'file' });

const refused = (path: string, operation: string): Error => new mastra.PermissionError(path, operation);
const ERRORS: Partial<Record<ErrorCode, (path: string, operation: string) => Error>> = {
  FILE_NOT_FOUND: (path, operation) =>
    operation === 'readdir' || operation === 'rmdir' ? new mastra.DirectoryNotFoundError(path) : new mastra.FileNotFoundError(path),
  FILE_EXISTS: (path) => new mastra.FileExistsError(path),
  IS_DIRECTORY: (path) => new mastra.IsDirectoryError(path),
  NOT_DIRECTORY: (path) => new mastra.NotDirectoryError(path),
  PERMISSION_DENIED: refused,
  FORBIDDEN: refused,
  PATH_ESCAPES_WORKSPACE: refused,
};
