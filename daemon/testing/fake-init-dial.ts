// One dial of the fake init: a TCP connection to the loopback with credit in both directions.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { DIAL_WINDOW_BYTES, FLAG, MAX_DATA, UP } from '../link/frames.ts';
import { u32, u64 } from './fake-init-wire.ts';
import type { SendUp } from './fake-init-wire.ts';

export interface FakeDialOptions {
  readonly id: number;
  readonly port: number;
  readonly send: SendUp;
  readonly onEnd: () => void;
}

export class FakeDial {
  readonly #options: FakeDialOptions;
  readonly #socket: Socket;
  #waiting = Buffer.alloc(0);
  #sent = 0;
  #credited = 0;
  #taken = 0;
  #hasEnded = false;
  #isConnected = false;
  /** Set once the socket is gone; told after the last byte. */
  #closedWith: number | null = null;

  constructor(options: FakeDialOptions) {
    this.#options = options;
    const socket = connect({ port: options.port, host: '127.0.0.1', allowHalfOpen: true });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#isConnected = true;
      options.send(UP.dialed, 0, options.id, u32(0));
    });
    socket.on('data', (bytes: Buffer) => {
      this.#waiting = Buffer.concat([this.#waiting, bytes]);
      this.#pump();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#pump();
    });
    socket.on('error', () => undefined);
    socket.on('close', (hasError) => {
      this.#closedWith = hasError ? constants.errno.ECONNRESET : 0;
      if (this.#isConnected) this.#pump();
      else {
        options.send(UP.dialed, 0, options.id, u32(constants.errno.ECONNREFUSED));
        options.onEnd();
      }
    });
  }

  data(bytes: Buffer, isEof: boolean): void {
    if (bytes.length > 0) {
      this.#socket.write(Buffer.from(bytes), () => {
        this.#taken += bytes.length;
        this.#options.send(UP.dialCredit, 0, this.#options.id, u64(this.#taken));
      });
    }
    if (isEof) this.#socket.end();
  }

  credit(offset: number): void {
    this.#credited = offset;
    this.#pump();
  }

  cancel(): void {
    this.#waiting = Buffer.alloc(0);
    this.#socket.destroy();
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const size = Math.min(this.#waiting.length, MAX_DATA, this.#credited + DIAL_WINDOW_BYTES - this.#sent);
      if (size === 0) {
        this.#socket.pause();
        return;
      }
      this.#options.send(UP.dialData, 0, this.#options.id, this.#waiting.subarray(0, size));
      this.#waiting = this.#waiting.subarray(size);
      this.#sent += size;
    }
    this.#socket.resume();
    if (this.#hasEnded) {
      this.#hasEnded = false;
      this.#options.send(UP.dialData, FLAG.eof, this.#options.id);
    }
    if (this.#closedWith === null) return;
    this.#options.send(UP.dialClosed, 0, this.#options.id, u32(this.#closedWith));
    this.#options.onEnd();
  }
}
