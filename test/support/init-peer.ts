// A daemon's side of the control protocol for tests of cloister-init: real frames to a real PID 1, with credit, rewind
// and acknowledgement in the test's hands. Written from images/init/protocol.h, not from daemon/link.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { DOWN, FLAG, UP } from '../../daemon/link/frames.ts';
import { InitContainer, type InitRunOptions } from './init-container.ts';
import type { Frame } from './init-frame.ts';
import { InitExec, type StartOptions, startBody } from './init-exec.ts';

const HEADER_BYTES = 12;
const KILL_TREE = 1;

export interface ExecStatus {
  readonly id: number;
  readonly state: 'running' | 'ended' | 'lingering';
  readonly credited: bigint;
  readonly end: bigint;
}

export interface InitPeerOptions extends InitRunOptions {
  readonly pids?: number;
}

export class InitPeer implements AsyncDisposable {
  readonly container: InitContainer;
  readonly execs = new Map<number, InitExec>();
  /** What the last STATUS said. */
  status: readonly ExecStatus[] = [];
  readonly #server: Server;
  readonly #others: Frame[] = [];
  #wakeOther = (): void => undefined;
  #nonce: Buffer;
  #socket: Socket | null = null;
  #lastId = 0;

  private constructor(container: InitContainer, server: Server, nonce: Buffer) {
    this.container = container;
    this.#server = server;
    this.#nonce = nonce;
  }

  static async start(options: InitPeerOptions = {}): Promise<InitPeer> {
    const nonce = randomBytes(32);
    const container = await InitContainer.prepare({ nonce });
    const server = createServer();
    const path = join(container.runDir, 'control.sock');
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o666);
    const peer = new InitPeer(container, server, nonce);
    const connected = peer.connect();
    await container.start(options.pids ?? 256, options);
    await connected;
    return peer;
  }

  /** Takes init's next connection, with HELLO, WELCOME and STATUS. */
  async connect(): Promise<void> {
    const [socket] = (await once(this.#server, 'connection')) as [Socket];
    this.#socket = socket;
    const welcomed = new Promise<void>((resolve, reject) => {
      let buffer = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('data', (bytes) => {
        buffer = Buffer.concat([buffer, bytes]);
        for (;;) {
          const frame = nextFrame(buffer);
          if (frame === null) return;
          buffer = buffer.subarray(HEADER_BYTES + frame.body.length);
          this.#take(frame, resolve);
        }
      });
    });
    await welcomed;
  }

  /** Cuts the connection; init comes back by itself. */
  cut(): void {
    this.#socket?.destroy();
  }

  send(type: number, flags: number, id: number, body: Buffer = Buffer.alloc(0)): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(body.length, 0);
    header.writeUInt8(type, 4);
    header.writeUInt8(flags, 5);
    header.writeUInt32LE(id, 8);
    this.#socket?.write(Buffer.concat([header, body]));
  }

  sendRaw(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  exec(command: string | readonly string[], options: StartOptions = {}): InitExec {
    this.#lastId += 1;
    const exec = new InitExec(this, this.#lastId, startBody(typeof command === 'string' ? ['sh', '-c', command] : command, options));
    this.execs.set(exec.id, exec);
    this.send(DOWN.start, 0, exec.id, exec.body);
    return exec;
  }

  killTree(exec: InitExec, graceMs: number, signal = 15): void {
    const body = Buffer.from([KILL_TREE, signal, 0, 0, 0, 0, 0, 0]);
    body.writeUInt32LE(graceMs, 4);
    this.send(DOWN.kill, 0, exec.id, body);
  }

  /** The next frame that belongs to no exec and is not part of a connection's beginning. */
  async other(): Promise<Frame> {
    while (this.#others.length === 0) await new Promise<void>((resolve) => (this.#wakeOther = resolve));
    return this.#others.shift() as Frame;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await this.container[Symbol.asyncDispose]();
  }

  #take(frame: Frame, welcomed: () => void): void {
    if (frame.type === UP.hello) {
      if (!frame.body.subarray(4).equals(this.#nonce)) throw new Error('HELLO carries another nonce than the last WELCOME');
      this.#nonce = randomBytes(32);
      this.send(DOWN.welcome, 0, 0, this.#nonce);
    } else if (frame.type === UP.status) {
      this.status = Array.from({ length: frame.body.length / 24 }, (_, i) => statusAt(frame.body, i * 24));
      welcomed();
    } else if (this.execs.get(frame.id)?.take(frame) !== true) {
      this.#others.push(frame);
      this.#wakeOther();
    }
  }

  /** Credits what came so far; with `rewind` init sends again from there. */
  credit(exec: InitExec, rewind = false): void {
    const body = Buffer.alloc(8);
    body.writeBigUInt64LE(BigInt(exec.received));
    this.send(DOWN.credit, rewind ? FLAG.rewind : 0, exec.id, body);
  }
}

function nextFrame(bytes: Buffer): Frame | null {
  if (bytes.length < HEADER_BYTES) return null;
  const length = bytes.readUInt32LE(0);
  if (bytes.length < HEADER_BYTES + length) return null;
  const body = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
  return { type: bytes.readUInt8(4), flags: bytes.readUInt8(5), id: bytes.readUInt32LE(8), body };
}

function statusAt(body: Buffer, at: number): ExecStatus {
  const state = (['running', 'ended', 'lingering'] as const)[body.readUInt8(at + 4)];
  if (state === undefined) throw new Error('STATUS names an unknown state');
  return { id: body.readUInt32LE(at), state, credited: body.readBigUInt64LE(at + 8), end: body.readBigUInt64LE(at + 16) };
}
