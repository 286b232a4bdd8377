// What each file op of the fake init does, on a directory of the host with plain path checks.
// Good enough for trusted tests; the real one resolves inside the kernel.

import { createHash } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readFile, readdir, readlink, realpath, rename, rm, stat, symlink, unlink } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:os';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { FILE_STAT_BYTES, writeU64 } from '../link/frames.ts';
import { FILE_FLAG, FILE_OPS } from '../link/messages.ts';
import { FakeGlobs, readGlobs } from './fake-init-file-search.ts';
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
        if (has(request, FILE_FLAG.recursive)) throw new OpError('ENOTSUP');
        await chmod(await this.#followed(path), request.mode);
        return Buffer.concat([u64(1), u64(0)]);
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

  /** Entries in their order, directories before their content. */
  async *walk(request: FakeRequest, globs: readonly string[]): AsyncGenerator<FakeEntry, void, undefined> {
    const root = await this.#followed(request.path);
    const filter = new FakeGlobs(globs);
    if (has(request, FILE_FLAG.ignore)) throw new OpError('ENOTSUP');
    if (!(await stat(root)).isDirectory()) {
      if (request.op !== FILE_OPS.grep) throw new OpError('ENOTDIR');
      yield { path: '', file: root, info: await lstat(root, { bigint: true }), isWanted: true };
      return;
    }
    const walk = async function* (directory: string, prefix: string, depth: number): AsyncGenerator<FakeEntry, void, undefined> {
      const names = (await readdir(directory)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      for (const name of names) {
        const [path, file] = [prefix + name, join(directory, name)];
        const info = await lstat(file, { bigint: true });
        const isPassed = info.isDirectory() && has(request, FILE_FLAG.onlyFiles);
        yield { path, file, info, isWanted: filter.takes(path) && !isPassed };
        if (info.isDirectory() && depth < request.depth) yield* walk(file, `${path}/`, depth + 1);
      }
    };
    yield* walk(root, '', 0);
  }

  async list(request: FakeRequest): Promise<{ entries: Buffer[]; seen: number; isTruncated: boolean }> {
    const entries: Buffer[] = [];
    let seen = 0;
    let isTruncated = false;
    let isPast = request.path2 === '';
    for await (const { path, file, info, isWanted } of this.walk(request, readGlobs(request.extra))) {
      seen += 1;
      const isAfter = isPast;
      isPast ||= path === request.path2;
      if (!isAfter || !isWanted) continue;
      if (request.length > 0 && entries.length === request.length) isTruncated = true;
      else entries.push(await packEntry(path, file, info));
    }
    return { entries, seen, isTruncated };
  }

  async #remove(request: FakeRequest): Promise<Buffer> {
    if (request.path === '') throw new OpError('EBUSY');
    const file = await this.#resolve(request.path);
    const info = await lstat(file);
    if (!info.isDirectory()) await unlink(file);
    else if (has(request, FILE_FLAG.recursive)) await rm(file, { recursive: true });
    else throw new OpError('EISDIR');
    return u64(1);
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

export interface FakeEntry {
  /** From the walked directory. */
  readonly path: string;
  readonly file: string;
  readonly info: BigIntStats;
  readonly isWanted: boolean;
}

async function packEntry(path: string, file: string, info: BigIntStats): Promise<Buffer> {
  const [name, link] = [Buffer.from(path), Buffer.from(info.isSymbolicLink() ? await readlink(file) : '')];
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(name.length, 0);
  lengths.writeUInt16LE(link.length, 2);
  return Buffer.concat([packStat(info), lengths, name, link]);
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
