// Adding one image: the request, the bytes that go with it and the lines that come back. A lost connection ends it.

import type { Connection } from './connection.ts';
import { Deferred } from './deferred.ts';
import { ClientError, SandboxError } from './errors.ts';
import { InboundStream } from './inbound-stream.ts';
import { OutboundStream } from './outbound-stream.ts';
import { outcomeUnknown, type PendingCall, type StreamSink, type WireRequest } from './pending-call.ts';
import { type AddedImage, type BinaryFrame, ImageProgress, type Operation, type Params, type Result } from './protocol/index.ts';

const NEWLINE = 10;
const MAX_LINE_BYTES = 64 * 1024;

export class ImageAdd implements PendingCall, StreamSink {
  readonly request: WireRequest;
  readonly #connection: Connection;
  readonly #stream: number;
  readonly #source: AsyncIterable<Uint8Array> | null;
  readonly #input: InboundStream;
  readonly #output: OutboundStream;
  readonly #answer = new Deferred<AddedImage>();
  #hasAnswer = false;

  /** `source` null: nothing is sent. */
  constructor(connection: Connection, params: Omit<Params<'image.add'>, 'stream'>, source: AsyncIterable<Uint8Array> | null) {
    this.#connection = connection;
    this.#source = source;
    const stream = connection.addStream(this);
    this.#stream = stream;
    this.#input = new InboundStream(0, (offset) => connection.sendCredit(stream, offset));
    this.#output = new OutboundStream(false, (flags, offset, bytes) => connection.sendData(stream, flags, offset, bytes));
    this.request = { op: 'image.add', params: { ...params, stream } };
  }

  /** Settles after the last line has been told; the signal gives the image up. */
  async run(tell: (progress: ImageProgress) => void, signal?: AbortSignal): Promise<AddedImage> {
    const abort = (): void => this.#abandon(new ClientError('ABORTED', 'Cannot add the image: the signal was aborted'));
    if (signal?.aborted === true) throw new ClientError('ABORTED', 'Cannot add the image: the signal was aborted');
    signal?.addEventListener('abort', abort, { once: true });
    this.#connection.submit(this);
    const reading = this.#read(tell).catch((error: unknown) => {
      if (!this.#hasAnswer) this.#abandon(error);
    });
    try {
      return await this.#answer.promise;
    } finally {
      await reading;
      signal?.removeEventListener('abort', abort);
    }
  }

  resume(): Error {
    return outcomeUnknown('image.add');
  }

  opened(): void {
    this.#output.opened();
    if (this.#source !== null) void this.#feed(this.#source);
  }

  data(frame: BinaryFrame): void {
    this.#input.push(frame);
  }

  gap(from: number, to: number): void {
    this.#input.skip(from, to);
  }

  credit(offset: number): void {
    this.#output.grant(offset);
  }

  stop(): void {
    this.#output.close();
  }

  settle(result: Result<Operation>): boolean {
    this.#finish();
    this.#answer.resolve(result as AddedImage);
    this.#input.endAt(this.#input.received);
    return true;
  }

  fail(error: Error): void {
    this.#finish();
    this.#answer.reject(error);
    this.#input.fail(error);
  }

  async #read(tell: (progress: ImageProgress) => void): Promise<void> {
    let rest = Buffer.alloc(0);
    for (let piece = await this.#input.next(); piece !== null; piece = await this.#input.next()) {
      rest = Buffer.concat([rest, piece.bytes]);
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
        const progress = ImageProgress.safeParse(jsonOf(rest.subarray(0, end).toString('utf8')));
        if (progress.success) tell(progress.data);
        rest = rest.subarray(end + 1);
      }
      if (rest.length > MAX_LINE_BYTES) throw new ClientError('PROTOCOL_ERROR', 'Cannot read the answer to image.add: a line is too long');
    }
  }

  async #feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const part of source) {
        await this.#output.write(part);
        if (!this.#output.isWritable) return;
      }
      this.#output.end();
    } catch (cause) {
      this.#abandon(
        cause instanceof SandboxError || cause instanceof ClientError
          ? cause
          : new ClientError('SOURCE_FAILED', `Cannot add the image: its source threw: ${String(cause)}`, { cause }),
      );
    }
  }

  /** The daemon is told that there will be no more. */
  #abandon(error: unknown): void {
    if (this.#hasAnswer) return;
    this.#connection.sendStop(this.#stream);
    this.#connection.forget(this);
    this.fail(error instanceof Error ? error : new ClientError('CALLBACK_FAILED', 'Cannot go on: a callback threw', { cause: error }));
  }

  #finish(): void {
    this.#hasAnswer = true;
    this.#output.close();
    this.#connection.dropStream(this.#stream);
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
