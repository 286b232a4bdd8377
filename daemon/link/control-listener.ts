// Listens for one sandbox's cloister-init and lets in only who knows the nonce.
// Owns the socket, the nonce's succession and the waiting connections; knows nothing of commands or files.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import { DOWN, HELLO_BOUNDS, LinkViolation, NONCE_BYTES, PROTOCOL_VERSION, UP_BOUNDS, encodeFrame } from './frames.ts';
import { FramedSocket } from './framed-socket.ts';
import type { SandboxLink } from './sandbox-link.ts';

const MAX_PENDING = 8;
const HELLO_LIMIT_MS = 2_000;
const REPORT_EVERY_MS = 10_000;

/** 64 hex digits each. The previous one is valid too: init may have lost its WELCOME to a crash. */
export interface Nonces {
  readonly current: string;
  readonly previous: string | null;
}

/** The first nonce of a sandbox; its 32 raw bytes go into the one-time file. */
export function newNonces(): Nonces {
  return { current: randomBytes(NONCE_BYTES).toString('hex'), previous: null };
}

export interface ControlListenerOptions {
  /** At most 107 bytes; a stale socket there is replaced. */
  readonly socketPath: string;
  readonly nonces: Nonces;
  /** Must have made them durable when it resolves: they are handed out after that. */
  readonly saveNonces: (next: Nonces) => Promise<void>;
  readonly link: SandboxLink;
  /** Awaited before init is welcome, and so before any command starts. */
  readonly onFirstHello?: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ControlListener implements AsyncDisposable {
  readonly #options: ControlListenerOptions;
  readonly #server: Server;
  readonly #pending = new Set<FramedSocket>();
  #nonces: Nonces;
  #isFirst = true;
  /** HELLOs are served one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #dropped = 0;
  #reportedAt = 0;

  private constructor(options: ControlListenerOptions) {
    this.#options = options;
    this.#nonces = options.nonces;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async open(options: ControlListenerOptions): Promise<ControlListener> {
    const listener = new ControlListener(options);
    await rm(options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', (error) => {
        reject(new SandboxError('INTERNAL', `Cannot listen on ${options.socketPath}: ${error.message}`, { cause: error }));
      });
      // Safe because: connect(2) needs write permission for the sandbox's uid, the directory is only mounted into that one
      // sandbox, and who connects must know the nonce.
      listener.#server.listen({ path: options.socketPath, readableAll: true, writableAll: true }, resolve);
    });
    listener.#server.on('error', (error) => options.log.error({ err: error }, 'control socket failed'));
    return listener;
  }

  /** Takes no more connections. The link keeps the one it has. */
  async close(): Promise<void> {
    for (const connection of this.#pending) connection.destroy();
    this.#pending.clear();
    await new Promise<void>((resolve) => {
      // The callback comes when the link's connection has ended, too, which is not this method's business.
      this.#server.close();
      resolve();
    });
    await rm(this.#options.socketPath, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    if (this.#pending.size >= MAX_PENDING) {
      socket.destroy();
      this.#drop('too many connections wait');
      return;
    }
    let hello: Buffer | null = null;
    const connection: FramedSocket = new FramedSocket(
      socket,
      {
        frame: (_type, _flags, id, body) => {
          if (hello !== null || id !== 0) throw new LinkViolation('a second frame before WELCOME');
          hello = Buffer.from(body);
          this.#turn = this.#turn.then(() => this.#greet(connection, hello as Buffer)).finally(cancel);
        },
        data: () => undefined,
        ended: (violation) => {
          cancel();
          if (this.#pending.delete(connection)) this.#drop(violation?.message ?? 'it ended before HELLO');
        },
      },
      HELLO_BOUNDS,
    );
    this.#pending.add(connection);
    const cancel = this.#options.clock.after(HELLO_LIMIT_MS, () => {
      if (hello !== null || !this.#pending.delete(connection)) return;
      connection.destroy();
      this.#drop('no HELLO in time');
    });
  }

  async #greet(connection: FramedSocket, hello: Buffer): Promise<void> {
    const nonce = hello.subarray(4);
    const isKnown = [this.#nonces.current, this.#nonces.previous].map(
      (valid) => valid !== null && timingSafeEqual(nonce, Buffer.from(valid, 'hex')),
    );
    if (connection.isOver || hello.readUInt32LE(0) !== PROTOCOL_VERSION || !isKnown.includes(true)) {
      connection.destroy();
      if (this.#pending.delete(connection)) this.#drop('it does not know the nonce or speaks another version');
      return;
    }
    const next: Nonces = { current: randomBytes(NONCE_BYTES).toString('hex'), previous: nonce.toString('hex') };
    try {
      await this.#options.saveNonces(next);
      this.#nonces = next;
      if (this.#isFirst) await this.#options.onFirstHello?.();
      this.#isFirst = false;
    } catch (error) {
      // Init tries again with back-off; it is never welcome under a nonce that a restart would not know.
      this.#options.log.error({ err: error }, 'nonce not saved');
      this.#pending.delete(connection);
      connection.destroy();
      return;
    }
    this.#pending.delete(connection);
    if (connection.isOver) return;
    connection.handOver(this.#options.link.accept(connection), UP_BOUNDS);
    connection.send(encodeFrame(DOWN.welcome, 0, 0, Buffer.from(next.current, 'hex')));
  }

  /** A tenant can connect as often as it likes; it can't fill the log. */
  #drop(reason: string): void {
    this.#dropped += 1;
    const now = this.#options.clock.now();
    if (now - this.#reportedAt < REPORT_EVERY_MS) return;
    this.#reportedAt = now;
    this.#options.log.warn({ reason, dropped: this.#dropped }, 'control connections dropped');
  }
}
