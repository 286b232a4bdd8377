// Reading one file, an archive of many, or what a search finds: the request, its stream and how both survive a lost socket.

import type { Connection } from './connection.ts';
import { Deferred } from './deferred.ts';
import { ClientError } from './errors.ts';
import { InboundStream } from './inbound-stream.ts';
import type { PendingCall, StreamSink, WireRequest } from './pending-call.ts';
import type { BinaryFrame, Operation, Params, Result } from './protocol/index.ts';

type ReadOperation = 'files.read' | 'files.download' | 'files.list' | 'files.glob' | 'files.grep' | 'files.watch';

export class FileRead<O extends ReadOperation = 'files.read'> implements PendingCall, StreamSink {
  readonly request: WireRequest;
  readonly #connection: Connection;
  readonly #stream: number;
  readonly #input: InboundStream;
  readonly #answer = new Deferred<Result<O>>();
  readonly #path: string;
  /** Of the first byte that this connection's stream has. */
  #base = 0;
  #hasAnswer = false;
  #isOpened = false;

  constructor(connection: Connection, op: O, params: Omit<Params<O>, 'stream'>) {
    this.#connection = connection;
    this.#path = (params as { readonly path: string }).path;
    this.#stream = connection.addStream(this);
    this.request = { op, params: { ...params, stream: this.#stream } };
    // Offsets of the stream count from the first byte asked for.
    this.#input = new InboundStream(0, (offset) => connection.sendCredit(this.#stream, offset - this.#base));
  }

  async *read(): AsyncGenerator<Uint8Array, Result<O>, undefined> {
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

  /** Ends it with this error; the daemon is told. */
  abandon(error: Error): void {
    this.#input.fail(error);
  }

  resume(): WireRequest | Error {
    if (this.#input.received === 0) return this.request;
    const { op, params } = this.request;
    if (op === 'files.read' && 'ifUnchanged' in params) return this.#goOn(params as Params<'files.read'>);
    // Another file may stand under the name by now: two halves must not become one content.
    const what = `Cannot go on reading ${JSON.stringify(this.#path)} after ${this.#input.received} bytes`;
    return new ClientError('CONNECTION_LOST', `${what}: the connection was lost`, { hint: 'Read it again, or go on with offset.' });
  }

  opened(): void {
    if (this.#isOpened) this.#input.reopened();
    this.#isOpened = true;
  }

  data(frame: BinaryFrame): void {
    this.#input.push(this.#base === 0 ? frame : { ...frame, offset: frame.offset + this.#base });
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
    this.#answer.resolve(result as Result<O>);
    this.#input.endAt(this.#input.received);
    return true;
  }

  fail(error: Error): void {
    this.#hasAnswer = true;
    this.#answer.reject(error);
    this.#input.fail(error);
  }

  /** The rest of a file that is said to be the same still. */
  #goOn(params: Params<'files.read'>): WireRequest {
    this.#base = this.#input.received;
    const rest = params.length === undefined ? {} : { length: params.length - this.#base };
    return { op: 'files.read', params: { ...params, offset: (params.offset ?? 0) + this.#base, ...rest } };
  }
}
