// The wire side of one command: its request, how to resume it, its output and its stdin.
// Knows nothing of who reads the output.

import type { Connection } from './connection.ts';
import { InboundStream } from './inbound-stream.ts';
import { OutboundStream } from './outbound-stream.ts';
import type { PendingCall, StreamSink, WireRequest } from './pending-call.ts';
import type { BinaryFrame, ExecResult, Operation, Params, Result } from './protocol/index.ts';

export type ExecRequest =
  | { readonly op: 'exec.start'; readonly params: Params<'exec.start'> }
  | { readonly op: 'exec.attach'; readonly params: Params<'exec.attach'> };

export interface ExecCallOptions {
  readonly connection: Connection;
  readonly request: ExecRequest;
  readonly wantsOutput: boolean;
  readonly hasStdin: boolean;
  /** Bytes or the end of the output arrived. */
  readonly onOutput: () => void;
  /** The one answer. */
  readonly onAnswer: (result: ExecResult) => void;
  readonly onFail: (error: Error) => void;
}

export class ExecCall implements PendingCall, StreamSink {
  readonly request: WireRequest;
  readonly output: InboundStream | undefined;
  readonly stdin: OutboundStream | undefined;
  readonly #options: ExecCallOptions;
  readonly #stream: number | undefined;
  #wantsOutput: boolean;
  /** The daemon has been heard about this command, so it need not be told of it again. */
  #isKnown: boolean;
  #isOpened = false;
  #hasAnswer = false;

  constructor(options: ExecCallOptions) {
    const { connection, request, wantsOutput, hasStdin } = options;
    this.#options = options;
    this.#wantsOutput = wantsOutput;
    this.#isKnown = request.op === 'exec.attach';
    if (wantsOutput || hasStdin) {
      const stream = connection.addStream(this);
      this.#stream = stream;
      this.output = new InboundStream(startOffset(request), (offset) => connection.sendCredit(stream, offset));
      if (hasStdin) this.stdin = new OutboundStream(true, (flags, offset, bytes) => connection.sendData(stream, flags, offset, bytes));
    }
    this.request = { op: request.op, params: { ...request.params, stream: this.#stream } };
  }

  /** False: the output was not asked for, or has been skipped. */
  get isReadable(): boolean {
    return this.#wantsOutput;
  }

  /** Nobody reads on: the daemon need not send, and the command need not wait for a reader. */
  stopOutput(): void {
    if (!this.#wantsOutput || this.output === undefined) return;
    this.#wantsOutput = false;
    this.output.discard();
    if (this.output.isLive && !this.#hasAnswer) this.#sendStop();
    if (this.#hasAnswer) this.#finish();
  }

  resume(): WireRequest {
    if (!this.#isKnown) return this.request;
    const { sandbox, execId, yieldMs } = this.#options.request.params;
    const offset = this.output?.received ?? startOffset(this.#options.request);
    return { op: 'exec.attach', params: { sandbox, execId, yieldMs, stream: this.#stream, offset } };
  }

  opened(): void {
    if (this.#isOpened) this.output?.reopened();
    this.#isOpened = true;
    this.stdin?.opened();
  }

  data(frame: BinaryFrame): void {
    this.#isKnown = true;
    if (!this.#wantsOutput) return this.#sendStop();
    this.output?.push(frame);
    return this.#onProgress();
  }

  gap(from: number, to: number): void {
    this.#isKnown = true;
    if (!this.#wantsOutput) return this.#sendStop();
    this.output?.skip(from, to);
    return this.#onProgress();
  }

  credit(offset: number): void {
    this.#isKnown = true;
    this.stdin?.grant(offset);
  }

  stop(): void {
    this.#isKnown = true;
    this.stdin?.close();
  }

  settle(result: Result<Operation>): boolean {
    const answer = result as ExecResult;
    this.#isKnown = true;
    this.stdin?.close();
    this.output?.endAt(answer.nextOffset);
    const isFirst = !this.#hasAnswer;
    this.#hasAnswer = true;
    if (isFirst) this.#options.onAnswer(answer);
    if (this.#wantsOutput && this.output?.isComplete === false) return false;
    this.#finish();
    return true;
  }

  fail(error: Error): void {
    this.stdin?.close();
    this.output?.fail(error);
    this.#finish();
    this.#options.onFail(error);
  }

  /** Only to a sender that has been heard: it may not know the stream before. */
  #sendStop(): void {
    if (this.#stream !== undefined) this.#options.connection.sendStop(this.#stream);
  }

  #onProgress(): void {
    if (this.#hasAnswer && this.output?.isComplete === true) this.#finish();
    this.#options.onOutput();
  }

  #finish(): void {
    this.#options.connection.forget(this);
    if (this.#stream !== undefined) this.#options.connection.dropStream(this.#stream);
  }
}

function startOffset(request: ExecRequest): number {
  return request.op === 'exec.attach' ? (request.params.offset ?? 0) : 0;
}
