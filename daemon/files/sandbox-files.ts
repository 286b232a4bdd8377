// The file verbs of one sandbox: paths checked, requests made over the link, answers and errors in the contract's terms.
// Every operation happens inside the sandbox as its uid; the daemon opens no file of a tenant.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileListing, FileStat } from '../../client/protocol/files.ts';
import { decodeStat } from '../link/decode.ts';
import { FILE_STAT_BYTES, LinkViolation, readU64 } from '../link/frames.ts';
import type { FileExchange } from '../link/file-exchange.ts';
import { FILE_FLAG } from '../link/messages.ts';
import type { FileEnd, FileRequest } from '../link/messages.ts';
import type { SandboxLink } from '../link/sandbox-link.ts';
import { fileError } from './file-errors.ts';
import { FileReader } from './file-reader.ts';
import { ListingParser, toFileStat } from './file-stat.ts';
import { shown, workspacePath } from './workspace-path.ts';

const DEFAULT_MAX_READ_BYTES = 16 * 1024 * 1024;
const DEFAULT_LIST_LIMIT = 1_000;
const MAX_DEPTH = 64;
const SHA256_BYTES = 32;

export interface WriteOptions {
  /** Permission bits; default 0644, or those of the file that is replaced. */
  readonly mode?: number | undefined;
  readonly append?: boolean | undefined;
  /** FILE_EXISTS if there is one. */
  readonly exclusive?: boolean | undefined;
  /** SHA-256 (hex) of the present content; NO_MATCH if it is another. */
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The caller's spelling of the paths of a request, for messages. */
interface Named {
  readonly path: string;
  readonly path2?: string | undefined;
}

export class SandboxFiles {
  readonly #link: SandboxLink;

  constructor(link: SandboxLink) {
    this.#link = link;
  }

  read(
    path: string,
    options: { readonly offset?: number | undefined; readonly length?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): FileReader {
    return new FileReader(this.#readParts(path, options));
  }

  /** TOO_LARGE above `maxBytes`, 16 MiB unless given. */
  async readAll(
    path: string,
    options: {
      readonly offset?: number | undefined;
      readonly length?: number | undefined;
      readonly maxBytes?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<Uint8Array> {
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
  async write(path: string, source: Uint8Array | AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<FileStat> {
    const flags =
      FILE_FLAG.parents | (options.append === true ? FILE_FLAG.append : 0) | (options.exclusive === true ? FILE_FLAG.exclusive : 0);
    const extra = options.ifMatch === undefined ? undefined : digestBytes(path, options.ifMatch);
    const named = { path };
    const request: FileRequest = { op: 'write', flags, path: workspacePath(path), mode: options.mode, extra };
    const exchange = await this.#open(request, options.signal);
    const abort = (): void => exchange.cancel();
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      if (source instanceof Uint8Array) await exchange.write(source);
      else for await (const part of source) if (!(await exchange.write(part))) break;
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
    return this.#stat(this.#check(request, end, named));
  }

  async list(
    path: string,
    options: {
      readonly recursive?: boolean | undefined;
      readonly depth?: number | undefined;
      readonly limit?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    } = {},
  ): Promise<FileListing> {
    const limit = options.limit ?? DEFAULT_LIST_LIMIT;
    const depth = Math.min(options.depth ?? (options.recursive === true ? MAX_DEPTH : 0), MAX_DEPTH);
    const request: FileRequest = { op: 'list', path: workspacePath(path), depth, length: limit };
    const exchange = await this.#open(request, options.signal);
    const parser = new ListingParser(limit);
    for await (const part of abortable(exchange, options.signal)) this.#trust(() => parser.push(part));
    const { body } = this.#check(request, await exchange.end, { path });
    return this.#trust(() => {
      if (body.length < 9) throw new LinkViolation('the end of a listing is cut short');
      return { entries: parser.finish(), total: readU64(body, 0), truncated: body[8] === 1 };
    });
  }

  async stat(path: string, options: { readonly followSymlink?: boolean | undefined } = {}): Promise<FileStat> {
    const flags = options.followSymlink === false ? FILE_FLAG.noFollow : 0;
    return this.#stat(await this.#call({ op: 'stat', flags, path: workspacePath(path) }, { path }));
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
    await this.#call({ op: 'mkdir', flags, path: workspacePath(path), mode: options.mode }, { path });
  }

  async remove(
    path: string,
    options: { readonly recursive?: boolean | undefined; readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    try {
      await this.#call({ op: 'remove', flags: options.recursive === true ? FILE_FLAG.recursive : 0, path: workspacePath(path) }, { path });
    } catch (error) {
      if (options.force !== true || !SandboxError.is(error, 'FILE_NOT_FOUND')) throw error;
    }
  }

  async move(path: string, to: string, options: { readonly overwrite?: boolean | undefined } = {}): Promise<void> {
    const flags = FILE_FLAG.parents | (options.overwrite === true ? 0 : FILE_FLAG.exclusive);
    await this.#call({ op: 'move', flags, path: workspacePath(path), path2: workspacePath(to) }, { path, path2: to });
  }

  async copy(
    path: string,
    to: string,
    options: { readonly recursive?: boolean | undefined; readonly overwrite?: boolean | undefined } = {},
  ): Promise<void> {
    const flags =
      FILE_FLAG.parents | (options.recursive === true ? FILE_FLAG.recursive : 0) | (options.overwrite === true ? 0 : FILE_FLAG.exclusive);
    await this.#call({ op: 'copy', flags, path: workspacePath(path), path2: workspacePath(to) }, { path, path2: to });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#call({ op: 'chmod', path: workspacePath(path), mode }, { path });
  }

  async readlink(path: string): Promise<string> {
    return (await this.#call({ op: 'readlink', path: workspacePath(path) }, { path })).body.toString('utf8');
  }

  /** `target` is relative to the symlink's directory and must stay inside the workspace as text. */
  async symlink(path: string, target: string): Promise<void> {
    if (target === '' || target.includes('\0'))
      throw new SandboxError('INVALID_REQUEST', `Cannot symlink ${shown(path)}: its target is empty or contains a NUL byte`);
    await this.#call({ op: 'symlink', path: workspacePath(path), extra: Buffer.from(target) }, { path });
  }

  async hash(path: string): Promise<{ readonly stat: FileStat; readonly sha256: string }> {
    const end = await this.#call({ op: 'hash', path: workspacePath(path) }, { path });
    if (end.body.length < FILE_STAT_BYTES + SHA256_BYTES)
      this.#trust(() => {
        throw new LinkViolation('the end of a hash is cut short');
      });
    return { stat: this.#stat(end), sha256: end.body.toString('hex', FILE_STAT_BYTES, FILE_STAT_BYTES + SHA256_BYTES) };
  }

  async *#readParts(
    path: string,
    options: { readonly offset?: number | undefined; readonly length?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): AsyncGenerator<Uint8Array, FileStat, undefined> {
    // A length of 0 means no limit on the link; a caller who asks for nothing gets it from stat.
    if (options.length === 0) return await this.stat(path);
    const request: FileRequest = { op: 'read', path: workspacePath(path), offset: options.offset, length: options.length };
    const exchange = await this.#open(request, options.signal);
    yield* abortable(exchange, options.signal);
    return this.#stat(this.#check(request, await exchange.end, { path }));
  }

  async #call(request: FileRequest, named: Named): Promise<FileEnd> {
    const exchange = await this.#open(request, undefined);
    return this.#check(request, await exchange.end, named);
  }

  #open(request: FileRequest, signal: AbortSignal | undefined): Promise<FileExchange> {
    return this.#link.file(request, signal);
  }

  #check(request: FileRequest, end: FileEnd, named: Named): FileEnd {
    if (end.errno !== 0) throw fileError(request.op, end, named);
    return end;
  }

  #stat(end: FileEnd): FileStat {
    return this.#trust(() => toFileStat(decodeStat(end.body)));
  }

  /** What init answers against the protocol fails the sandbox. */
  #trust<T>(parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof LinkViolation)) throw error;
      this.#link.distrust(error.message);
      throw new SandboxError('SANDBOX_FAILED', `Cannot use the answer of the sandbox: ${error.message}`, { cause: error });
    }
  }
}

async function* abortable(exchange: FileExchange, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  const abort = (): void => exchange.cancel();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    yield* exchange;
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function digestBytes(path: string, hex: string): Uint8Array {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length !== SHA256_BYTES)
    throw new SandboxError('INVALID_REQUEST', `Cannot write ${shown(path)}: ifMatch is not a SHA-256 in hex`);
  return bytes;
}
