// What the connection keeps of a request until its answer: enough to send it again on another socket.

import { ClientError } from './errors.ts';
import type { BinaryFrame, Operation, Params, Result } from './protocol/index.ts';
import { isRepeatable } from './repeatable.ts';

export interface WireRequest {
  readonly op: Operation;
  readonly params: Params<Operation>;
}

export interface PendingCall {
  /** The request as it goes out first. */
  readonly request: WireRequest;
  /** The request was sent, its answer is not here and the socket is gone: what to send now, or why that can't be. */
  resume(): WireRequest | Error;
  /** The request has just been written, for the first time or again. */
  opened?(): void;
  /** The answer, checked. True: nothing more is expected and the call is forgotten. */
  settle(result: Result<Operation>): boolean;
  fail(error: Error): void;
}

/** The client's end of a stream. */
export interface StreamSink {
  data(frame: BinaryFrame): void;
  gap(from: number, to: number): void;
  credit(offset: number): void;
  stop(): void;
}

/** A request with one answer and no stream. */
export class SimpleCall<O extends Operation> implements PendingCall {
  readonly request: WireRequest;
  readonly #op: O;
  readonly #params: Params<O>;
  readonly #resolve: (result: Result<O>) => void;
  readonly fail: (error: Error) => void;

  constructor(op: O, params: Params<O>, resolve: (result: Result<O>) => void, reject: (error: Error) => void) {
    this.request = { op, params };
    this.#op = op;
    this.#params = params;
    this.#resolve = resolve;
    this.fail = reject;
  }

  resume(): WireRequest | Error {
    return isRepeatable(this.#op, this.#params) ? this.request : outcomeUnknown(this.#op);
  }

  settle(result: Result<Operation>): boolean {
    this.#resolve(result as Result<O>);
    return true;
  }
}

export function outcomeUnknown(op: Operation): ClientError {
  return new ClientError('OUTCOME_UNKNOWN', `Cannot tell how ${op} ended: the connection was lost before the answer`);
}
