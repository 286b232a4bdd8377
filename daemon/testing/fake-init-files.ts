// One file request of the fake init, on the directory that stands for the workspace.
// Owns transfer and credit; fake-init-file-ops.ts says what each op does.

import { createReadStream } from 'node:fs';
import { copyFile, open, readFile, rename, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { FILE_WINDOW_BYTES, MAX_DATA, UP, readU64 } from '../link/frames.ts';
import { FILE_FLAG, FILE_OPS } from '../link/messages.ts';
import { FakeFileOps, OpError } from './fake-init-file-ops.ts';
import type { FakeRequest } from './fake-init-file-ops.ts';
import { FakeRegex, readGlobs } from './fake-init-file-search.ts';
import { u64 } from './fake-init-wire.ts';
import type { SendUp } from './fake-init-wire.ts';

const FILE_STRUCT = 32;

export interface FakeFileOptions {
  readonly id: number;
  readonly body: Buffer;
  readonly workspace: string;
  readonly send: SendUp;
  readonly onEnd: () => void;
}

export class FakeFile {
  readonly #options: FakeFileOptions;
  readonly #request: FakeRequest;
  readonly #ops: FakeFileOps;
  #credited = 0;
  #sent = 0;
  #isCancelled = false;
  #incoming: Buffer[] = [];
  #hasEof = false;
  #wake: (() => void) | null = null;

  constructor(options: FakeFileOptions) {
    this.#options = options;
    const { body } = options;
    const [first, second, third] = [body.readUInt16LE(2), body.readUInt16LE(4), body.readUInt16LE(6)];
    this.#request = {
      op: body[0] ?? 0,
      flags: body[1] ?? 0,
      path: body.toString('utf8', FILE_STRUCT, FILE_STRUCT + first),
      path2: body.toString('utf8', FILE_STRUCT + first, FILE_STRUCT + first + second),
      extra: body.subarray(FILE_STRUCT + first + second, FILE_STRUCT + first + second + third),
      mode: body.readUInt32LE(8) & 0o777,
      depth: body.readUInt32LE(12),
      offset: readU64(body, 16),
      length: readU64(body, 24),
    };
    this.#ops = new FakeFileOps(options.workspace);
    void this.#run();
  }

  data(bytes: Buffer, isEof: boolean): void {
    if (bytes.length > 0) this.#incoming.push(Buffer.from(bytes));
    if (isEof) this.#hasEof = true;
    this.#notify();
  }

  credit(offset: number): void {
    this.#credited = offset;
    this.#notify();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#notify();
  }

  async #run(): Promise<void> {
    let end: Buffer;
    try {
      end = Buffer.concat([Buffer.alloc(8), await this.#perform()]);
    } catch (error) {
      end = Buffer.alloc(8);
      const errno = Math.abs((error as NodeJS.ErrnoException).errno ?? constants.errno.EIO);
      end.writeUInt32LE(errno, 0);
      end.writeUInt16LE(error instanceof OpError ? error.what : 0, 4);
    }
    this.#options.send(UP.fileEnd, 0, this.#options.id, end);
    this.#options.onEnd();
  }

  async #perform(): Promise<Buffer> {
    const { op } = this.#request;
    if (op === FILE_OPS.read) return await this.#read();
    if (op === FILE_OPS.write) return await this.#write();
    if (op === FILE_OPS.list) {
      const { entries, seen, isTruncated } = await this.#ops.list(this.#request);
      for (const entry of entries) await this.#sendData(entry);
      return listEnd(seen, isTruncated, [0, 0, 0]);
    }
    if (op === FILE_OPS.grep) return await this.#grep();
    return await this.#ops.simple(this.#request);
  }

  async #read(): Promise<Buffer> {
    const { path, offset, length } = this.#request;
    const { file, stat } = await this.#ops.regularFile(path);
    const stream = createReadStream(file, {
      start: offset,
      ...(length === 0 ? {} : { end: offset + length - 1 }),
      highWaterMark: MAX_DATA,
    });
    for await (const bytes of stream as AsyncIterable<Buffer>) await this.#sendData(bytes);
    return stat;
  }

  async #write(): Promise<Buffer> {
    const { path, flags, mode } = this.#request;
    const { file, existing } = await this.#ops.writable(this.#request);
    const temporary = `${file}.cloister-${this.#options.id}`;
    if ((flags & FILE_FLAG.append) !== 0 && existing !== null) await copyFile(file, temporary);
    const handle = await open(temporary, 'a', mode === 0 ? (existing ?? 0o644) : mode);
    try {
      let taken = 0;
      for (;;) {
        const bytes = this.#incoming.shift();
        if (this.#isCancelled) throw new OpError('ECANCELED');
        if (bytes !== undefined) {
          await handle.appendFile(bytes);
          taken += bytes.length;
          this.#options.send(UP.fileCredit, 0, this.#options.id, u64(taken));
        } else if (this.#hasEof) break;
        else await this.#changed();
      }
      await rename(temporary, file);
    } finally {
      await handle.close();
      await rm(temporary, { force: true });
    }
    return await this.#ops.stat(path, true);
  }

  /** Context lines are not told. */
  async #grep(): Promise<Buffer> {
    const { extra, length } = this.#request;
    const globs = extra.readUInt16LE(0);
    const regex = new FakeRegex(extra.subarray(2 + globs));
    let [seen, files, binary, matches] = [0, 0, 0, 0];
    for await (const { path, file, info, isWanted } of this.#ops.walk(this.#request, readGlobs(extra.subarray(2, 2 + globs)))) {
      seen += 1;
      if (!isWanted || !info.isFile()) continue;
      files += 1;
      const content = await readFile(file);
      if (content.includes(0)) {
        binary += 1;
        continue;
      }
      const lines = content
        .toString('latin1')
        .split('\n')
        .map((line) => Buffer.from(line, 'latin1'));
      const found = lines.flatMap((line, index) =>
        regex.matches(line) && (line.length > 0 || index + 1 < lines.length) ? [{ line, index }] : [],
      );
      if (found.length > 0) await this.#sendData(grepRecord(0, 0, Buffer.from(path)));
      for (const { line, index } of found) {
        if (matches === length) return listEnd(seen, true, [files, binary, matches]);
        matches += 1;
        await this.#sendData(grepRecord(1, index + 1, line));
      }
    }
    return listEnd(seen, false, [files, binary, matches]);
  }

  async #sendData(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#isCancelled) throw new OpError('ECANCELED');
      const size = Math.min(bytes.length - at, MAX_DATA, this.#credited + FILE_WINDOW_BYTES - this.#sent);
      if (size === 0) {
        await this.#changed();
        continue;
      }
      this.#options.send(UP.fileData, 0, this.#options.id, bytes.subarray(at, at + size));
      this.#sent += size;
      at += size;
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

function grepRecord(kind: number, line: number, text: Buffer): Buffer {
  const head = Buffer.alloc(12);
  const told = text.subarray(0, 2048);
  head[0] = kind;
  head[1] = told.length < text.length ? 1 : 0;
  head.writeUInt16LE(told.length, 2);
  head.writeUInt32LE(line, 4);
  head.writeUInt32LE(text.length, 8);
  return Buffer.concat([head, told]);
}

function listEnd(seen: number, isTruncated: boolean, figures: readonly [files: number, binary: number, matches: number]): Buffer {
  const why = Buffer.alloc(8);
  why[0] = isTruncated ? 1 : 0;
  return Buffer.concat([u64(seen), why, u64(0), ...figures.map((figure) => u64(figure)), u64(0)]);
}
