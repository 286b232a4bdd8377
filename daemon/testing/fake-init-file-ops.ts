// What each file op of the fake init does, on a directory of the host with plain path checks.
// Good enough for trusted tests; the real one resolves inside the kernel.

import { createHash } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readFile, readdir, readlink, realpath, rename, rm, stat, symlink, unlink } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:os';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { FILE_STAT_BYTES, writeU64 } from '../link/frames.ts';
import { FILE_FLAG, FILE_OPS } from '../link/messages.ts';
import { u64 } from './fake-init-wire.ts';

export interface FakeRequest {
  readonly op: number;
  readonly flags: number;
  readonly path: string;
  readonly path2: string;
  readonly extra: Buffer;
  readonly mode: number;
  readonly depth: number;
  readonly offset: number;
  readonly length: number;
}

export class OpError extends Error {
  readonly errno: number;
  readonly what: number;

  constructor(name: keyof typeof constants.errno, what = 0) {
    super(name);
    this.errno = constants.errno[name];
    this.what = what;
  }
}

const has = (request: FakeRequest, flag: number): boolean => (request.flags & flag) !== 0;

export class FakeFileOps {
  readonly #workspace: string;

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** The op of a request that transfers no bytes; answers what follows file_end. */
  async simple(request: FakeRequest): Promise<Buffer> {
    const { op, path, path2 } = request;
    switch (op) {
      case FILE_OPS.stat:
        return await this.stat(path, !has(request, FILE_FLAG.noFollow));
      case FILE_OPS.mkdir: {
        const target = await this.#resolve(path, has(request, FILE_FLAG.parents));
        await mkdir(target, { recursive: has(request, FILE_FLAG.parents), mode: request.mode === 0 ? 0o755 : request.mode });
        return Buffer.alloc(0);
      }
      case FILE_OPS.remove:
        return await this.#remove(request);
      case FILE_OPS.move:
      case FILE_OPS.copy:
        return await this.#transfer(request);
      case FILE_OPS.chmod:
        await chmod(await this.#followed(path), request.mode);
        return Buffer.alloc(0);
      case FILE_OPS.readlink:
        return Buffer.from(await readlink(await this.#resolve(path)));
      case FILE_OPS.symlink: {
        const target = request.extra.toString();
        const inside = normalize(join(dirname(path), target));
        if (isAbsolute(target) || inside.startsWith('..')) throw new OpError('EXDEV');
        await symlink(target, await this.#resolve(path));
        return Buffer.alloc(0);
      }
      case FILE_OPS.hash: {
        const { file, stat: statBody } = await this.regularFile(path);
        return Buffer.concat([
          statBody,
          createHash('sha256')
            .update(await readFile(file))
            .digest(),
        ]);
      }
      default:
        throw new OpError('EINVAL', path2 === '' ? 0 : 1);
    }
  }

  async stat(path: string, isFollowed: boolean): Promise<Buffer> {
    const file = isFollowed ? await this.#followed(path) : await this.#resolve(path);
    return packStat(await lstat(file, { bigint: true }));
  }

  async regularFile(path: string): Promise<{ file: string; stat: Buffer }> {
    const file = await this.#followed(path);
    const info = await stat(file, { bigint: true });
    if (info.isDirectory()) throw new OpError('EISDIR');
    if (!info.isFile()) throw new OpError('ENXIO');
    return { file, stat: packStat(info) };
  }

  /** The file that a write replaces; `existing` is its mode. */
  async writable(request: FakeRequest): Promise<{ file: string; existing: number | null }> {
    const file = await this.#resolve(request.path, has(request, FILE_FLAG.parents));
    const info = await lstat(file).catch(() => null);
    if (info?.isDirectory() === true) throw new OpError('EISDIR');
    if (info !== null && !info.isFile() && !info.isSymbolicLink()) throw new OpError('ENXIO');
    if (info !== null && has(request, FILE_FLAG.exclusive)) throw new OpError('EEXIST');
    if (request.extra.length > 0) {
      const digest =
        info === null
          ? null
          : createHash('sha256')
              .update(await readFile(file))
              .digest();
      if (digest === null || !digest.equals(request.extra)) throw new OpError('ESTALE');
    }
    return { file, existing: info?.isFile() === true ? info.mode & 0o777 : null };
  }

  async list(request: FakeRequest): Promise<{ entries: Buffer[]; seen: number; isTruncated: boolean }> {
    const root = await this.#followed(request.path);
    const entries: Buffer[] = [];
    let seen = 0;
    const walk = async (directory: string, prefix: string, depth: number): Promise<void> => {
      const names = (await readdir(directory)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      for (const name of names) {
        seen += 1;
        const info = await lstat(join(directory, name), { bigint: true });
        const target = info.isSymbolicLink() ? await readlink(join(directory, name)) : '';
        const [path, link] = [Buffer.from(prefix + name), Buffer.from(target)];
        const lengths = Buffer.alloc(4);
        lengths.writeUInt16LE(path.length, 0);
        lengths.writeUInt16LE(link.length, 2);
        if (request.length === 0 || entries.length < request.length) entries.push(Buffer.concat([packStat(info), lengths, path, link]));
        if (info.isDirectory() && depth < request.depth) await walk(join(directory, name), `${prefix}${name}/`, depth + 1);
      }
    };
    if (!(await stat(root)).isDirectory()) throw new OpError('ENOTDIR');
    await walk(root, '', 0);
    return { entries, seen, isTruncated: entries.length < seen };
  }

  async #remove(request: FakeRequest): Promise<Buffer> {
    if (request.path === '') throw new OpError('EBUSY');
    const file = await this.#resolve(request.path);
    const info = await lstat(file);
    if (!info.isDirectory()) await unlink(file);
    else if (has(request, FILE_FLAG.recursive)) await rm(file, { recursive: true });
    else throw new OpError('EISDIR');
    return Buffer.alloc(0);
  }

  async #transfer(request: FakeRequest): Promise<Buffer> {
    const from = await this.#resolve(request.path);
    const info = await lstat(from);
    const to = await this.#resolve(request.path2, has(request, FILE_FLAG.parents));
    const isTaken = await lstat(to).then(
      () => true,
      () => false,
    );
    if (isTaken && has(request, FILE_FLAG.exclusive)) throw new OpError('EEXIST', 1);
    if (request.op === FILE_OPS.move) await rename(from, to);
    else {
      if (info.isDirectory() && !has(request, FILE_FLAG.recursive)) throw new OpError('EISDIR');
      await cp(from, to, { recursive: true });
    }
    return Buffer.alloc(0);
  }

  /** The file with its last component not followed; must be inside. */
  async #resolve(path: string, makesParents = false): Promise<string> {
    if (path === '') return this.#workspace;
    const target = join(this.#workspace, path);
    if (makesParents) await mkdir(dirname(target), { recursive: true });
    const info = await stat(dirname(target));
    if (!info.isDirectory()) throw new OpError('ENOTDIR', 2);
    await this.#assertInside(dirname(target));
    return target;
  }

  async #followed(path: string): Promise<string> {
    const target = await this.#resolve(path);
    await this.#assertInside(target);
    return await realpath(target);
  }

  async #assertInside(path: string): Promise<void> {
    const [real, root] = [await realpath(path), await realpath(this.#workspace)];
    if (real !== root && !real.startsWith(`${root}/`)) throw new OpError('EXDEV');
  }
}

function packStat(info: BigIntStats): Buffer {
  const body = Buffer.alloc(FILE_STAT_BYTES);
  const kind = info.isFile()
    ? 'f'
    : info.isDirectory()
      ? 'd'
      : info.isSymbolicLink()
        ? 'l'
        : info.isFIFO()
          ? 'p'
          : info.isSocket()
            ? 's'
            : info.isBlockDevice()
              ? 'b'
              : 'c';
  body.write(kind, 0, 'latin1');
  body.writeUInt32LE(Number(info.mode & 0o7777n), 4);
  writeU64(body, Number(info.size), 8);
  body.writeBigInt64LE(info.mtimeNs, 16);
  u64(Number(info.ino)).copy(body, 24);
  body.writeUInt32LE(Number(info.nlink), 32);
  body.writeUInt32LE(Number(info.uid), 36);
  return body;
}
