// Writing one file, or an archive of many: the request, its data and how both survive a lost socket.

import type { Connection } from './connection.ts';
import { Deferred } from './deferred.ts';
import { ClientError } from './errors.ts';
import { toBytes, type Data } from './exec-options.ts';
import { OutboundStream } from './outbound-stream.ts';
import { outcomeUnknown, type PendingCall, type StreamSink, type WireRequest } from './pending-call.ts';
import type { Operation, Params, Result } from './protocol/index.ts';
import { isRepeatable } from './repeatable.ts';

type WriteOperation = 'files.write' | 'files.upload';

export class FileWrite<O extends WriteOperation = 'files.write'> implements PendingCall, StreamSink {
  readonly request: WireRequest;
  readonly #connection: Connection;
  readonly #op: O;
  readonly #params: Params<O>;
  readonly #data: Data | AsyncIterable<Data>;
  readonly #answer = new Deferred<Result<O>>();
  #output: OutboundStream;
  #isFed = false;

  constructor(connection: Connection, op: O, params: Omit<Params<O>, 'stream'>, data: Data | AsyncIterable<Data>) {
    this.#connection = connection;
    this.#data = data;
    this.#op = op;
    this.#params = { ...params, stream: connection.addStream(this) } as Params<O>;
    this.#output = this.#newOutput();
    this.request = { op, params: this.#params };
    connection.submit(this);
  }

  get result(): Promise<Result<O>> {
    return this.#answer.promise;
  }

  /** The file is put in place only after the last byte: before that nothing has happened and all may go again. */
  resume(): WireRequest | Error {
    if (this.#output.isEofSent && !isRepeatable(this.#op, this.#params)) return outcomeUnknown(this.#op);
    if (!isWhole(this.#data)) {
      const what = `Cannot go on writing ${JSON.stringify(this.#params.path)}`;
      return new ClientError('CONNECTION_LOST', `${what}: the connection was lost and its source can't be read again`, {
        hint: keepsPartial(this.#params)
          ? 'What came of it is kept: go on with append and at: the size that stat says.'
          : 'Write it again from the start; the old content is still in place.',
      });
    }
    this.#output = this.#newOutput();
    this.#isFed = false;
    return this.request;
  }

  opened(): void {
    const output = this.#output;
    const isFirst = !this.#isFed;
    this.#isFed = true;
    // What is whole is there before the stream opens, so that its last frame says that it is the last.
    if (isFirst) void this.#feed(output);
    output.opened();
  }

  data(): void {
    // Nothing comes on this stream.
  }

  gap(): void {
    // Nothing comes on this stream.
  }

  credit(offset: number): void {
    this.#output.grant(offset);
  }

  stop(): void {
    this.#output.close();
  }

  settle(result: Result<Operation>): boolean {
    this.#finish();
    this.#answer.resolve(result as Result<O>);
    return true;
  }

  fail(error: Error): void {
    this.#finish();
    this.#answer.reject(error);
  }

  async #feed(output: OutboundStream): Promise<void> {
    try {
      if (isWhole(this.#data)) void output.write(toBytes(this.#data));
      else {
        for await (const part of this.#data) {
          await output.write(toBytes(part));
          if (!output.isWritable) return;
        }
      }
      output.end();
    } catch (cause) {
      // STOP before the end of the data tells the daemon to give the file up.
      this.#connection.sendStop(this.#params.stream);
      this.#connection.forget(this);
      this.fail(new ClientError('SOURCE_FAILED', `Cannot write ${JSON.stringify(this.#params.path)}: its source threw`, { cause }));
    }
  }

  #newOutput(): OutboundStream {
    return new OutboundStream(false, (flags, offset, bytes) => this.#connection.sendData(this.#params.stream, flags, offset, bytes));
  }

  #finish(): void {
    this.#output.close();
    this.#connection.dropStream(this.#params.stream);
  }
}

function keepsPartial(params: object): boolean {
  return 'keepPartial' in params && params.keepPartial === true;
}

function isWhole(data: Data | AsyncIterable<Data>): data is Data {
  return typeof data === 'string' || data instanceof Uint8Array;
}
