// Reading one file: the request, its stream and how both survive a lost socket.

import type { Connection } from './connection.ts';
import { Deferred } from './deferred.ts';
import { ClientError } from './errors.ts';
import { InboundStream } from './inbound-stream.ts';
import type { PendingCall, StreamSink, WireRequest } from './pending-call.ts';
import type { BinaryFrame, FileStat, Operation, Params, Result } from './protocol/index.ts';

export class FileRead implements PendingCall, StreamSink {
  readonly request: WireRequest;
  readonly #connection: Connection;
  readonly #stream: number;
  readonly #input: InboundStream;
  readonly #answer = new Deferred<FileStat>();
  readonly #path: string;
  #hasAnswer = false;
  #isOpened = false;

  constructor(connection: Connection, params: Omit<Params<'files.read'>, 'stream'>) {
    this.#connection = connection;
    this.#path = params.path;
    this.#stream = connection.addStream(this);
    this.request = { op: 'files.read', params: { ...params, stream: this.#stream } };
    // Offsets of the stream count from the first byte asked for.
    this.#input = new InboundStream(0, (offset) => connection.sendCredit(this.#stream, offset));
  }

  async *read(): AsyncGenerator<Uint8Array, FileStat, undefined> {
    this.#connection.submit(this);
    try {
      for (let piece = await this.#input.next(); piece !== null; piece = await this.#input.next()) yield piece.bytes;
      return await this.#answer.promise;
    } finally {
      if (!this.#hasAnswer) this.#connection.sendStop(this.#stream);
      this.#connection.dropStream(this.#stream);
      this.#connection.forget(this);
    }
  }

  resume(): WireRequest | Error {
    if (this.#input.received === 0) return this.request;
    // Another file may stand under the name by now: two halves must not become one content.
    const what = `Cannot go on reading ${JSON.stringify(this.#path)} after ${this.#input.received} bytes`;
    return new ClientError('CONNECTION_LOST', `${what}: the connection was lost`, { hint: 'Read it again, or go on with offset.' });
  }

  opened(): void {
    if (this.#isOpened) this.#input.reopened();
    this.#isOpened = true;
  }

  data(frame: BinaryFrame): void {
    this.#input.push(frame);
  }

  gap(from: number, to: number): void {
    this.#input.fail(new ClientError('PROTOCOL_ERROR', `Cannot read ${JSON.stringify(this.#path)}: bytes ${from} to ${to} were left out`));
  }

  credit(): void {
    // Nothing is sent on this stream.
  }

  stop(): void {
    // Nothing is sent on this stream.
  }

  settle(result: Result<Operation>): boolean {
    this.#hasAnswer = true;
    this.#answer.resolve(result as FileStat);
    this.#input.endAt(this.#input.received);
    return true;
  }

  fail(error: Error): void {
    this.#hasAnswer = true;
    this.#answer.reject(error);
    this.#input.fail(error);
  }
}
