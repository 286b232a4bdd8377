// The daemon's side of the file worker for tests: one harness process, many requests at once, credit by hand
// or given at once. Knows no assertion.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import * as wire from './worker-frames.ts';

export interface FileReply {
  /** 'ok', or the name of the errno. */
  readonly error: string;
  readonly what: number;
  readonly extra: Buffer;
  /** Payload of the data frames, empty when `onData` took it. */
  readonly data: Buffer;
}

export interface RequestOptions {
  /** Bytes of a write; the last chunk carries EOF. */
  readonly body?: Iterable<Buffer>;
  /** Takes the data frames; credit is then the caller's to give. */
  readonly onData?: (bytes: Buffer) => void;
}

export interface PendingRequest {
  readonly id: number;
  readonly reply: Promise<FileReply>;
}

interface Waiting {
  readonly onData: ((bytes: Buffer) => void) | undefined;
  readonly chunks: Buffer[];
  received: number;
  credited: number;
  wake: () => void;
  resolve: (reply: FileReply) => void;
  reject: (error: Error) => void;
}

export interface WorkerOptions {
  readonly program: string;
  readonly root: string;
  readonly uid?: number;
  readonly maxFileBytes?: number;
}

const nameOf = (errno: number): string => {
  if (errno === 0) return 'ok';
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
};

export class WorkerPeer {
  readonly process: ChildProcess;
  readonly #socket: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  #rest: Buffer = Buffer.alloc(0);
  #lastId = 0;

  constructor(options: WorkerOptions) {
    const limits = options.uid === undefined ? [] : [String(options.uid), String(options.maxFileBytes ?? 2 ** 40)];
    this.process = spawn(options.program, [options.root, ...limits], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: { ASAN_OPTIONS: 'detect_leaks=0' },
    });
    this.#socket = this.process.stdio[3] as Duplex;
    this.#socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#socket.on('error', () => undefined);
    this.process.on('exit', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error('the worker ended'));
      this.#waiting.clear();
    });
  }

  send(type: number, id: number, body: Buffer, flags = 0): void {
    this.#socket.write(wire.encodeFrame(type, id, body, flags));
  }

  sendRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  credit(id: number, offset: number): void {
    this.send(wire.Down.credit, id, wire.u64(offset));
  }

  cancel(id: number): void {
    this.send(wire.Down.cancel, id, Buffer.alloc(0));
  }

  begin(request: wire.FileRequest, options: RequestOptions = {}): PendingRequest {
    const id = ++this.#lastId;
    const reply = new Promise<FileReply>((resolve, reject) => {
      const idle = (): void => undefined;
      this.#waiting.set(id, { onData: options.onData, chunks: [], received: 0, credited: 0, wake: idle, resolve, reject });
    });
    this.send(wire.Down.file, id, wire.encodeRequest(request));
    if (options.body !== undefined) void this.#sendBody(id, options.body);
    return { id, reply };
  }

  do(request: wire.FileRequest, options: RequestOptions = {}): Promise<FileReply> {
    return this.begin(request, options).reply;
  }

  read(path: string, offset = 0n, length = 0n): Promise<FileReply> {
    return this.do({ op: wire.Op.read, path, offset, length });
  }

  write(path: string, data: string | Buffer, extra: Partial<wire.FileRequest> = {}): Promise<FileReply> {
    const bytes = Buffer.from(data);
    const body = [];
    for (let at = 0; at === 0 || at < bytes.length; at += wire.CHUNK) body.push(bytes.subarray(at, at + wire.CHUNK));
    return this.do({ op: wire.Op.write, path, ...extra }, { body });
  }

  /** Ends the socket and returns the worker's exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exit = once(this.process, 'exit');
    this.#socket.destroy();
    const [code] = await exit;
    return code as number | null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #sendBody(id: number, body: Iterable<Buffer>): Promise<void> {
    let sent = 0;
    let held: Buffer | undefined;
    const put = async (chunk: Buffer, flags: number): Promise<void> => {
      for (;;) {
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) return;
        if (sent + chunk.length - waiting.credited <= wire.WINDOW) break;
        await new Promise<void>((resolve) => {
          waiting.wake = resolve;
        });
      }
      sent += chunk.length;
      this.send(wire.Down.data, id, chunk, flags);
    };
    for (const chunk of body) {
      if (held !== undefined) await put(held, 0);
      held = chunk;
    }
    await put(held ?? Buffer.alloc(0), 2);
  }

  #receive(bytes: Buffer): void {
    const { frames, rest } = wire.decodeFrames(this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]));
    this.#rest = rest;
    for (const frame of frames) this.#take(frame);
  }

  #take(frame: wire.Frame): void {
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) throw new Error(`a frame of type ${frame.type} for request ${frame.id}, which has ended`);
    if (frame.type === wire.Up.credit) {
      waiting.credited = Number(frame.body.readBigUInt64LE(0));
      waiting.wake();
    } else if (frame.type === wire.Up.data) {
      waiting.received += frame.body.length;
      if (waiting.onData !== undefined) waiting.onData(frame.body);
      else {
        waiting.chunks.push(Buffer.from(frame.body));
        this.credit(frame.id, waiting.received);
      }
    } else {
      this.#waiting.delete(frame.id);
      waiting.wake();
      const extra = Buffer.from(frame.body.subarray(8));
      const error = nameOf(frame.body.readUInt32LE(0));
      waiting.resolve({ error, what: frame.body.readUInt16LE(4), extra, data: Buffer.concat(waiting.chunks) });
    }
  }
}
