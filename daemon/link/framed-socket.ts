// One connection from cloister-init: bytes in through the decoder, frames out through a bounded queue.
// Knows what a frame is, not what it means, and nothing of who is at the other end.

import type { Socket } from 'node:net';
import { FrameDecoder } from './frame-decoder.ts';
import { HEADER_BYTES, LinkViolation, writeHeader } from './frames.ts';
import type { FrameBounds, FrameSink } from './frames.ts';

/** Bytes that may wait for an init that does not read: 16 full START frames and all windows fit in it. */
const MAX_QUEUED_BYTES = 48 * 1024 * 1024;

export interface FramedSocketListener extends FrameSink {
  /** Once. `violation`: what init did wrong; null: the connection ended by itself. */
  ended(violation: LinkViolation | null): void;
}

export class FramedSocket {
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  #listener: FramedSocketListener;
  #isOver = false;

  constructor(socket: Socket, listener: FramedSocketListener, bounds: FrameBounds) {
    this.#socket = socket;
    this.#listener = listener;
    this.#decoder = new FrameDecoder(
      {
        frame: (type, flags, id, body) => this.#listener.frame(type, flags, id, body),
        data: (type, flags, id, offset, bytes, isLast) => this.#listener.data(type, flags, id, offset, bytes, isLast),
      },
      bounds,
    );
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => this.#end(null));
    socket.on('close', () => this.#end(null));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** From the next frame on another listener is served, under other bounds. */
  handOver(listener: FramedSocketListener, bounds: FrameBounds): void {
    this.#listener = listener;
    this.#decoder.allow(bounds);
  }

  /** Sends a frame that is encoded already. */
  send(frame: Buffer): void {
    if (this.#isOver) return;
    this.#socket.write(frame);
    this.#checkQueue();
  }

  /** Sends a data frame without copying its payload, which must not be changed afterwards. */
  sendData(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (this.#isOver) return;
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    writeHeader(header, type, flags, id, payload.byteLength);
    this.#socket.cork();
    this.#socket.write(header);
    if (payload.byteLength > 0) this.#socket.write(payload);
    this.#socket.uncork();
    this.#checkQueue();
  }

  /** Ends the connection; `ended` is not called. */
  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #checkQueue(): void {
    if (this.#socket.writableLength > MAX_QUEUED_BYTES)
      this.#end(new LinkViolation(`${this.#socket.writableLength} bytes wait to be read by init`));
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      // Whatever a hostile frame makes us throw ends this sandbox and not the daemon.
      this.#end(error instanceof LinkViolation ? error : new LinkViolation(`a frame could not be handled: ${String(error)}`));
    }
  }

  #end(violation: LinkViolation | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.destroy();
    this.#listener.ended(violation);
  }
}
