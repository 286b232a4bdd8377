// A store of texts in memory for the text verbs, whose files can be changed by somebody else at exact moments.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileStat } from '../../client/protocol/files.ts';
import { sha256Of, type TextStore } from '../../daemon/files/text-store.ts';

export class MemoryStore implements TextStore {
  readonly files = new Map<string, { bytes: Buffer; mode: number }>();
  readonly links = new Map<string, string>();
  /** Paths written, in order. */
  readonly writes: string[] = [];
  /** Called before each write and removal. */
  before: (path: string) => void = () => undefined;
  #inode = 1;

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [path, content] of Object.entries(files)) this.put(path, content);
  }

  put(path: string, content: string | Uint8Array, mode = 0o644): void {
    this.files.set(path, { bytes: typeof content === 'string' ? Buffer.from(content) : Buffer.from(content), mode });
  }

  text(path: string): string | null {
    return this.files.get(path)?.bytes.toString() ?? null;
  }

  read(path: string): AsyncIterable<Uint8Array> & { readonly stat: Promise<FileStat> } {
    const file = this.#file(path);
    return {
      stat: this.stat(path),
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < file.bytes.length; at += 65_536) yield file.bytes.subarray(at, at + 65_536);
      },
    };
  }

  async write(path: string, bytes: Uint8Array, options: Parameters<TextStore['write']>[2] = {}): Promise<FileStat> {
    this.before(path);
    const present = this.files.get(path);
    if (options.exclusive === true && present !== undefined)
      throw new SandboxError('FILE_EXISTS', `Cannot write ${path}: it exists already`);
    if (options.ifMatch !== undefined && (present === undefined || sha256Of(present.bytes) !== options.ifMatch))
      throw new SandboxError('NO_MATCH', `Cannot write ${path}: its content is not what ifMatch expects`);
    this.put(path, bytes, options.mode ?? present?.mode ?? 0o644);
    this.writes.push(path);
    return this.stat(path);
  }

  async stat(path: string, options: { followSymlink?: boolean | undefined } = {}): Promise<FileStat> {
    if (options.followSymlink === false && this.links.has(path)) return this.#stat('symlink', 0, 0o777);
    if (path === '.' || [...this.files.keys()].some((name) => name.startsWith(`${path}/`))) return this.#stat('directory', 0, 0o755);
    const { bytes, mode } = this.#file(path);
    return this.#stat('file', bytes.length, mode);
  }

  async readlink(path: string): Promise<string> {
    return this.links.get(path) ?? '';
  }

  async remove(path: string): Promise<void> {
    this.before(path);
    this.#file(path);
    this.files.delete(path);
  }

  async hash(path: string): Promise<{ sha256: string }> {
    return { sha256: sha256Of(this.#file(path).bytes) };
  }

  async list(): Promise<never> {
    throw new Error('not listed here');
  }

  #file(path: string): { bytes: Buffer; mode: number } {
    const file = this.files.get(path) ?? this.files.get(this.links.get(path) ?? '');
    if (file === undefined) throw new SandboxError('FILE_NOT_FOUND', `Cannot read ${path}: there is no such file`);
    return file;
  }

  #stat(kind: FileStat['kind'], size: number, mode: number): FileStat {
    return { kind, mode, size, modifiedAt: new Date(0).toISOString(), inode: String(this.#inode), links: 1 };
  }
}
