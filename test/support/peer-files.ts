// File verbs of the test peer: a directory of this host instead of a sandbox's workspace.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { SandboxError, type ErrorCode, type FileEntry, type FileStat, type ParsedParams } from '../../client/protocol/index.ts';
import type { TextFiles } from '../../daemon/files/text-files.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'FILE_NOT_FOUND',
  EEXIST: 'FILE_EXISTS',
  EISDIR: 'IS_DIRECTORY',
  ENOTDIR: 'NOT_DIRECTORY',
  ENOTEMPTY: 'FILE_EXISTS',
  EACCES: 'PERMISSION_DENIED',
  ERR_FS_EISDIR: 'IS_DIRECTORY',
};

export class PeerFiles {
  readonly root: string;
  /** Its text verbs, once one is used. */
  text: TextFiles | undefined;

  constructor(root: string) {
    this.root = root;
  }

  resolve(path: string): string {
    const inside = normalize(join('/', path.startsWith('/workspace') ? path.slice('/workspace'.length) : path));
    const leaves = path.split('/').includes('..') || (path.startsWith('/') && !/^\/workspace(\/|$)/.test(path));
    if (path.includes('\0')) throw new SandboxError('INVALID_REQUEST', `Cannot use ${JSON.stringify(path)}: it has a NUL byte`);
    if (leaves) throw new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot use ${JSON.stringify(path)}: it leads out of the workspace`);
    return join(this.root, inside);
  }

  async stat(path: string, followSymlink = true): Promise<FileStat> {
    return await guarded(async () => statOf(await (followSymlink ? fs.stat(this.resolve(path)) : fs.lstat(this.resolve(path)))));
  }

  async read({ path, offset, length }: ParsedParams<'files.read'>): Promise<Uint8Array> {
    const bytes = await guarded(() => fs.readFile(this.resolve(path)));
    return bytes.subarray(offset, length === undefined ? undefined : offset + length);
  }

  async write({ path, append, exclusive, ifMatch, mode }: ParsedParams<'files.write'>, data: Uint8Array): Promise<FileStat> {
    const target = this.resolve(path);
    return await guarded(async () => {
      await fs.mkdir(dirname(target), { recursive: true });
      if (
        ifMatch !== undefined &&
        createHash('sha256')
          .update(await fs.readFile(target))
          .digest('hex') !== ifMatch
      ) {
        throw new SandboxError('NO_MATCH', `Cannot write ${path}: its content has changed`);
      }
      await fs.writeFile(target, data, { flag: exclusive ? 'wx' : append ? 'a' : 'w' });
      if (mode !== undefined) await fs.chmod(target, mode);
      return statOf(await fs.stat(target));
    });
  }

  async list({ path, recursive, limit }: ParsedParams<'files.list'>): Promise<{ entries: FileEntry[]; total: number; truncated: boolean }> {
    const root = this.resolve(path);
    const found = await guarded(() => fs.readdir(root, { recursive, withFileTypes: true }));
    const entries = await Promise.all(
      found.slice(0, limit).map(async (entry): Promise<FileEntry> => {
        const full = join(entry.parentPath, entry.name);
        const link = entry.isSymbolicLink() ? { symlinkTarget: await fs.readlink(full) } : {};
        return { ...statOf(await fs.lstat(full)), path: relative(root, full), ...link };
      }),
    );
    return { entries, total: found.length, truncated: found.length > limit };
  }

  async mkdir({ path, parents }: ParsedParams<'files.mkdir'>): Promise<void> {
    await guarded(() => fs.mkdir(this.resolve(path), { recursive: parents }));
  }

  async remove({ path, recursive, force }: ParsedParams<'files.remove'>): Promise<void> {
    await guarded(() => fs.rm(this.resolve(path), { recursive, force }));
  }

  async move({ path, to, overwrite }: ParsedParams<'files.move'>): Promise<void> {
    await this.#refuseExisting(to, overwrite);
    await guarded(() => fs.rename(this.resolve(path), this.resolve(to)));
  }

  async copy({ path, to, recursive, overwrite }: ParsedParams<'files.copy'>): Promise<void> {
    await this.#refuseExisting(to, overwrite);
    await guarded(() => fs.cp(this.resolve(path), this.resolve(to), { recursive }));
  }

  async chmod({ path, mode }: ParsedParams<'files.chmod'>): Promise<void> {
    await guarded(() => fs.chmod(this.resolve(path), mode));
  }

  async readlink(path: string): Promise<string> {
    return await guarded(() => fs.readlink(this.resolve(path)));
  }

  async symlink({ path, target }: ParsedParams<'files.symlink'>): Promise<void> {
    await guarded(() => fs.symlink(target, this.resolve(path)));
  }

  async #refuseExisting(path: string, overwrite: boolean): Promise<void> {
    const exists = await fs.lstat(this.resolve(path)).then(
      () => true,
      () => false,
    );
    if (exists && !overwrite) throw new SandboxError('FILE_EXISTS', `Cannot replace ${path}: it exists`);
  }
}

function statOf(stat: Awaited<ReturnType<typeof fs.lstat>>): FileStat {
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'symlink'
        : stat.isFIFO()
          ? 'fifo'
          : 'device';
  return {
    kind,
    mode: Number(stat.mode) & 0o777,
    size: Number(stat.size),
    modifiedAt: stat.mtime.toISOString(),
    inode: String(stat.ino),
    links: Number(stat.nlink),
  };
}

async function guarded<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const code = CODES[(error as NodeJS.ErrnoException).code ?? ''];
    if (code === undefined) throw error;
    throw new SandboxError(code, `Cannot do this: ${(error as Error).message}`);
  }
}
