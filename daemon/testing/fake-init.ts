// cloister-init in TypeScript for tests and for work without an engine: speaks the protocol over a real unix socket,
// runs commands as children in a directory. It confines nothing and must never run what is not trusted.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FrameDecoder } from '../link/frame-decoder.ts';
import {
  DOWN,
  FLAG,
  MAX_DATA,
  MAX_START_BODY,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  SELF_REPORT_BYTES,
  STATUS_BYTES,
  UP,
  encodeFrame,
  readU64,
} from '../link/frames.ts';
import type { FrameBounds } from '../link/frames.ts';
import { FakeDial } from './fake-init-dial.ts';
import { FakeExec } from './fake-init-exec.ts';
import { FakeFile } from './fake-init-files.ts';
import type { Stand } from './fake-init-start.ts';
import type { SendUp } from './fake-init-wire.ts';

const any = (max: number, flags = 0): { min: number; max: number; flags: number } => ({ min: 0, max, flags });
const data = { ...any(MAX_DATA, FLAG.eof), data: 'plain' } as const;

const DOWN_BOUNDS: FrameBounds = {
  [DOWN.welcome]: any(NONCE_BYTES),
  [DOWN.start]: any(MAX_START_BODY),
  [DOWN.stdin]: data,
  [DOWN.kill]: any(8),
  [DOWN.credit]: any(8, FLAG.rewind),
  [DOWN.resize]: any(4),
  [DOWN.exitAck]: any(0),
  [DOWN.dial]: any(2),
  [DOWN.dialData]: data,
  [DOWN.dialCredit]: any(8),
  [DOWN.dialClose]: any(0),
  [DOWN.file]: any(65_568),
  [DOWN.fileData]: data,
  [DOWN.fileCredit]: any(8),
  [DOWN.fileCancel]: any(0),
  [DOWN.ping]: any(8),
  [DOWN.report]: any(0),
  [DOWN.clock]: any(1),
};

export interface FakeInitOptions {
  readonly socketPath: string;
  /** 32 bytes. */
  readonly nonce: Buffer;
  /** Stands for /workspace. */
  readonly workspace: string;
  readonly stand?: Stand | undefined;
}

export class FakeInit implements AsyncDisposable {
  readonly #options: FakeInitOptions;
  readonly #execs = new Map<number, FakeExec>();
  readonly #files = new Map<number, FakeFile>();
  readonly #dials = new Map<number, FakeDial>();
  #nonce: Buffer;
  #socket: Socket | null = null;
  #isWelcome = false;
  #isOver = false;
  /** How often START has made a process. */
  starts = 0;

  constructor(options: FakeInitOptions) {
    this.#options = options;
    this.#nonce = options.nonce;
  }

  /** Connects and keeps connecting until disposed. */
  run(): void {
    void this.#connectForever();
  }

  /** Ends the connection as a network would; it comes back. */
  cut(): void {
    this.#socket?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#socket?.destroy();
    await Promise.all([...this.#execs.values()].map((exec) => exec.destroy()));
  }

  async #connectForever(): Promise<void> {
    for (let backOffMs = 10; !this.#isOver; backOffMs = Math.min(backOffMs * 2, 200)) {
      const wasWelcome = await this.#connection();
      if (wasWelcome) backOffMs = 10;
      await delay(backOffMs);
    }
  }

  #connection(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#options.socketPath);
      this.#socket = socket;
      this.#isWelcome = false;
      const decoder = new FrameDecoder(
        {
          frame: (type, flags, id, body) => this.#frame(type, flags, id, body),
          data: (type, flags, id, _offset, bytes, isLast) => this.#data(type, flags, id, bytes, isLast),
        },
        DOWN_BOUNDS,
      );
      const version = Buffer.alloc(4);
      version.writeUInt32LE(PROTOCOL_VERSION);
      socket.write(encodeFrame(UP.hello, 0, 0, Buffer.concat([version, this.#nonce])));
      socket.on('data', (chunk: Buffer) => decoder.push(chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        const wasWelcome = this.#isWelcome;
        this.#isWelcome = false;
        for (const exec of this.#execs.values()) exec.disconnected();
        for (const stream of [...this.#files.values(), ...this.#dials.values()]) stream.cancel();
        this.#files.clear();
        this.#dials.clear();
        resolve(wasWelcome);
      });
    });
  }

  readonly #send: SendUp = (type, flags, id, body) => {
    if (this.#isWelcome) this.#socket?.write(encodeFrame(type, flags, id, body));
  };

  #welcome(nonce: Buffer): void {
    this.#nonce = Buffer.from(nonce);
    this.#isWelcome = true;
    this.#send(UP.status, 0, 0, Buffer.concat([...this.#execs.values()].map((exec) => exec.status(STATUS_BYTES))));
    for (const exec of this.#execs.values()) exec.connected();
  }

  #frame(type: number, flags: number, id: number, body: Buffer): void {
    if (type === DOWN.welcome) this.#welcome(body);
    else if (type === DOWN.start) this.#start(id, Buffer.from(body));
    else if (type === DOWN.kill) this.#execs.get(id)?.kill(body[0] === 1, body[1] ?? 0, body.readUInt32LE(4));
    else if (type === DOWN.credit) this.#execs.get(id)?.credit(readU64(body, 0), (flags & FLAG.rewind) !== 0);
    else if (type === DOWN.exitAck) this.#execs.get(id)?.acknowledge();
    else if (type === DOWN.ping) this.#send(UP.pong, 0, 0, body);
    else if (type === DOWN.report) this.#report();
    else if (type === DOWN.file) this.#file(id, Buffer.from(body));
    else if (type === DOWN.fileCredit) this.#files.get(id)?.credit(readU64(body, 0));
    else if (type === DOWN.fileCancel) this.#files.get(id)?.cancel();
    else if (type === DOWN.dial) this.#dial(id, body.readUInt16LE(0));
    else if (type === DOWN.dialCredit) this.#dials.get(id)?.credit(readU64(body, 0));
    else if (type === DOWN.dialClose) this.#dials.get(id)?.cancel();
  }

  #data(type: number, flags: number, id: number, bytes: Buffer, isLast: boolean): void {
    const isEof = isLast && (flags & FLAG.eof) !== 0;
    if (type === DOWN.stdin) this.#execs.get(id)?.stdin(bytes, isEof);
    else if (type === DOWN.fileData) this.#files.get(id)?.data(bytes, isEof);
    else this.#dials.get(id)?.data(bytes, isEof);
  }

  #start(id: number, body: Buffer): void {
    const known = this.#execs.get(id);
    if (known !== undefined) {
      known.repeat();
      return;
    }
    this.starts += 1;
    this.#execs.set(id, new FakeExec({ ...this.#options, id, body, send: this.#send, onForgotten: () => this.#execs.delete(id) }));
  }

  #file(id: number, body: Buffer): void {
    this.#files.set(
      id,
      new FakeFile({ id, body, workspace: this.#options.workspace, send: this.#send, onEnd: () => this.#files.delete(id) }),
    );
  }

  #dial(id: number, port: number): void {
    this.#dials.set(id, new FakeDial({ id, port, send: this.#send, onEnd: () => this.#dials.delete(id) }));
  }

  #report(): void {
    const body = Buffer.alloc(SELF_REPORT_BYTES);
    for (const at of [0, 4, 8, 12, 16]) body.writeUInt32LE(1, at);
    body.writeUInt32LE(1, 20);
    this.#send(
      UP.selfReport,
      0,
      0,
      Buffer.concat([body, Buffer.from('Name:\tcloister-init\nUid:\t200000\t200000\t200000\t200000\nNoNewPrivs:\t1\nSeccomp:\t2\n')]),
    );
  }
}
