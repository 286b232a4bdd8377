// The file verbs of one sandbox: paths checked, requests made over the link, answers and errors in the contract's terms.
// Every operation happens inside the sandbox as its uid; the daemon opens no file of a tenant.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileEntry, FileListing, FileModes, FileStat } from '../../client/protocol/files.ts';
import { FILE_STAT_BYTES, LinkViolation, readU64 } from '../link/frames.ts';
import { FILE_FLAG } from '../link/messages.ts';
import type { FileRequest } from '../link/messages.ts';
import { pathBytes, pathText } from '../link/path-bytes.ts';
import { abortable, FileCalls, type FileLink } from './file-calls.ts';
import { FileReader } from './file-reader.ts';
import { nanosecondsOf } from './file-stat.ts';
import { FileSearch, type ListOptions } from './file-search.ts';
import { FileWatches } from './file-watches.ts';
import { TextFiles } from './text-files.ts';
import { shown, workspacePath } from './workspace-path.ts';

const DEFAULT_MAX_READ_BYTES = 16 * 1024 * 1024;
const SHA256_BYTES = 32;

export interface ReadOptions {
  readonly offset?: number | undefined;
  readonly length?: number | undefined;
  /** What the file must still be; NO_MATCH if it is another or has changed. */
  readonly ifUnchanged?: Pick<FileStat, 'inode' | 'size' | 'modifiedAt'> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions {
  /** Permission bits; default 0644, or those of the file that is replaced. */
  readonly mode?: number | undefined;
  readonly append?: boolean | undefined;
  /** Bytes that the file must have for an append; NO_MATCH if it has others. */
  readonly at?: number | undefined;
  /** An append that is cut short leaves what came: it can be gone on with. */
  readonly keepsPartial?: boolean | undefined;
  /** FILE_EXISTS if there is one. */
  readonly exclusive?: boolean | undefined;
  /** SHA-256 (hex) of the present content; NO_MATCH if it is another. */
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ByteSource extends AsyncIterable<Uint8Array> {
  /** No bytes follow those that it gave last. */
  readonly isAtEnd?: boolean;
}

interface RemoveOptions {
  /** An empty directory as well; FILE_EXISTS for another. */
  readonly isEmptyFine?: boolean | undefined;
  readonly recursive?: boolean | undefined;
  /** Nothing there is fine. */
  readonly force?: boolean | undefined;
}

export class SandboxFiles {
  /** Its verbs for text. */
  readonly text: TextFiles = new TextFiles(this);
  /** What looks at many of them. */
  readonly search: FileSearch;
  readonly watches: FileWatches;
  readonly #calls: FileCalls;

  constructor(link: FileLink) {
    this.#calls = new FileCalls(link);
    this.search = new FileSearch(this.#calls);
    this.watches = new FileWatches(this.#calls);
  }

  read(path: string, options: ReadOptions = {}): FileReader {
    return new FileReader(this.#readParts(path, options));
  }

  /** TOO_LARGE above `maxBytes`, 16 MiB unless given. */
  async readAll(path: string, options: ReadOptions & { readonly maxBytes?: number | undefined } = {}): Promise<Uint8Array> {
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_READ_BYTES;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of this.read(path, options)) {
      bytes += part.byteLength;
      if (bytes > maxBytes)
        throw new SandboxError('TOO_LARGE', `Cannot read ${shown(path)}: it is larger than ${maxBytes} bytes`, {
          hint: 'Read it in parts, or as a stream.',
        });
      parts.push(part);
    }
    return Buffer.concat(parts, bytes);
  }

  /** Parents are made. The file is replaced in one step, or not at all if the source or the signal fails. */
  async write(path: string, source: Uint8Array | ByteSource, options: WriteOptions = {}): Promise<FileStat> {
    const flags = writeFlags(options);
    const extra = options.ifMatch === undefined ? undefined : digestBytes(path, options.ifMatch);
    const named = { path };
    const request: FileRequest = { op: 'write', flags, path: workspacePath(path), mode: options.mode, offset: options.at, extra };
    const exchange = await this.#calls.open(request, options.signal);
    const abort = (): void => exchange.cancel();
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      if (source instanceof Uint8Array) await exchange.write(source, true);
      else for await (const part of source) if (!(await exchange.write(part, source.isAtEnd === true))) break;
      exchange.finish();
    } catch (error) {
      exchange.cancel();
      await exchange.end.catch(() => undefined);
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
    const end = await exchange.end;
    if (options.signal?.aborted === true && end.errno !== 0) throw options.signal.reason;
    return this.#calls.stat(this.#calls.check(request, end, named));
  }

  /** At most `limit` (1000) entries at once; `search.list` has them as they come. */
  async list(path: string, options: ListOptions = {}): Promise<FileListing> {
    const entries: FileEntry[] = [];
    const listing = this.search.list(path, options);
    for (;;) {
      const next = await listing.next();
      if (next.done === true) return { entries, ...next.value };
      entries.push(...next.value);
    }
  }

  async stat(path: string, options: { readonly followSymlink?: boolean | undefined } = {}): Promise<FileStat> {
    const flags = options.followSymlink === false ? FILE_FLAG.noFollow : 0;
    return this.#calls.stat(await this.#calls.call({ op: 'stat', flags, path: workspacePath(path) }, { path }));
  }

  /** A symlink that leads nowhere does not exist; one that leads out is an error. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.stat(path);
      return true;
    } catch (error) {
      if (SandboxError.is(error, 'FILE_NOT_FOUND') || SandboxError.is(error, 'NOT_DIRECTORY')) return false;
      throw error;
    }
  }

  async mkdir(path: string, options: { readonly mode?: number | undefined; readonly parents?: boolean | undefined } = {}): Promise<void> {
    const flags = options.parents === false ? 0 : FILE_FLAG.parents;
    await this.#calls.call({ op: 'mkdir', flags, path: workspacePath(path), mode: options.mode }, { path });
  }

  async remove(path: string, options: RemoveOptions = {}): Promise<void> {
    await this.removeCounted(path, options);
  }

  /** How many entries went. */
  async removeCounted(path: string, options: RemoveOptions = {}): Promise<number> {
    const flags = (options.recursive === true ? FILE_FLAG.recursive : 0) | (options.isEmptyFine === true ? FILE_FLAG.exclusive : 0);
    try {
      const { body } = await this.#calls.call({ op: 'remove', flags, path: workspacePath(path) }, { path });
      return this.#calls.trust(() => figure(body, 0));
    } catch (error) {
      if (options.force !== true || !SandboxError.is(error, 'FILE_NOT_FOUND')) throw error;
      return 0;
    }
  }

  async move(path: string, to: string, options: { readonly overwrite?: boolean | undefined } = {}): Promise<void> {
    const flags = FILE_FLAG.parents | (options.overwrite === true ? 0 : FILE_FLAG.exclusive);
    await this.#calls.call({ op: 'move', flags, path: workspacePath(path), path2: workspacePath(to) }, { path, path2: to });
  }

  async copy(
    path: string,
    to: string,
    options: { readonly recursive?: boolean | undefined; readonly overwrite?: boolean | undefined } = {},
  ): Promise<void> {
    const flags =
      FILE_FLAG.parents | (options.recursive === true ? FILE_FLAG.recursive : 0) | (options.overwrite === true ? 0 : FILE_FLAG.exclusive);
    await this.#calls.call({ op: 'copy', flags, path: workspacePath(path), path2: workspacePath(to) }, { path, path2: to });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.chmodCounted(path, mode, false);
  }

  /** `isRecursive`: all below a directory too, directories with x wherever `mode` has r; symlinks stay as they are. */
  async chmodCounted(path: string, mode: number, isRecursive: boolean): Promise<FileModes> {
    const flags = isRecursive ? FILE_FLAG.recursive : 0;
    const { body } = await this.#calls.call({ op: 'chmod', flags, path: workspacePath(path), mode }, { path });
    return this.#calls.trust(() => ({ changed: figure(body, 0), failed: figure(body, 8) }));
  }

  async readlink(path: string): Promise<string> {
    return pathText((await this.#calls.call({ op: 'readlink', path: workspacePath(path) }, { path })).body);
  }

  /** `target` must stay inside the workspace as text, unless it `mayLeadOut`, as one that a tenant made by itself may. */
  async symlink(path: string, target: string, options: { readonly mayLeadOut?: boolean } = {}): Promise<void> {
    if (target === '' || target.includes('\0'))
      throw new SandboxError('INVALID_REQUEST', `Cannot symlink ${shown(path)}: its target is empty or contains a NUL byte`);
    const flags = options.mayLeadOut === true ? FILE_FLAG.anywhere : 0;
    await this.#calls.call({ op: 'symlink', flags, path: workspacePath(path), extra: pathBytes(target) }, { path });
  }

  async hash(path: string): Promise<{ readonly stat: FileStat; readonly sha256: string }> {
    const end = await this.#calls.call({ op: 'hash', path: workspacePath(path) }, { path });
    if (end.body.length < FILE_STAT_BYTES + SHA256_BYTES)
      this.#calls.trust(() => {
        throw new LinkViolation('the end of a hash is cut short');
      });
    return { stat: this.#calls.stat(end), sha256: end.body.toString('hex', FILE_STAT_BYTES, FILE_STAT_BYTES + SHA256_BYTES) };
  }

  async *#readParts(path: string, options: ReadOptions): AsyncGenerator<Uint8Array, FileStat, undefined> {
    // A length of 0 means no limit on the link; a caller who asks for nothing gets it from stat.
    if (options.length === 0) return await this.stat(path);
    const request: FileRequest = {
      op: 'read',
      path: workspacePath(path),
      offset: options.offset,
      length: options.length,
      extra: identity(options.ifUnchanged),
    };
    const exchange = await this.#calls.open(request, options.signal);
    yield* abortable(exchange, options.signal);
    return this.#calls.stat(this.#calls.check(request, await exchange.end, { path }));
  }
}

function digestBytes(path: string, hex: string): Uint8Array {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length !== SHA256_BYTES)
    throw new SandboxError('INVALID_REQUEST', `Cannot write ${shown(path)}: ifMatch is not a SHA-256 in hex`);
  return bytes;
}

function writeFlags(options: WriteOptions): number {
  return (
    FILE_FLAG.parents |
    (options.append === true ? FILE_FLAG.append : 0) |
    (options.exclusive === true ? FILE_FLAG.exclusive : 0) |
    (options.at === undefined ? 0 : FILE_FLAG.at) |
    (options.keepsPartial === true ? FILE_FLAG.keep : 0)
  );
}

function figure(body: Buffer, at: number): number {
  if (body.length < at + 8) throw new LinkViolation('the end of a file request is cut short');
  return readU64(body, at);
}

function identity(stat: ReadOptions['ifUnchanged']): Uint8Array | undefined {
  if (stat === undefined) return undefined;
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(stat.inode), 0);
  bytes.writeBigUInt64LE(BigInt(stat.size), 8);
  bytes.writeBigInt64LE(BigInt.asIntN(64, nanosecondsOf(stat.modifiedAt)), 16);
  return bytes;
}
