// The conversation with the daemon: requests, answers and streams over one socket after another, resumed when one is lost.
// Knows nothing of sandboxes beyond the hook that opens them again.

import { setTimeout } from 'node:timers/promises';
import { delayBefore, type Backoff } from './backoff.ts';
import { CallBook } from './call-book.ts';
import { errorOfClose, isFinal } from './close-reason.ts';
import { ClientError, SandboxError } from './errors.ts';
import { readMessage } from './message.ts';
import { SimpleCall, type PendingCall, type StreamSink, type WireRequest } from './pending-call.ts';
import {
  CLOSE_CODE,
  decodeFrame,
  encodeFrame,
  type EventEnvelope,
  FRAME_KIND,
  MAX_MESSAGE_BYTES,
  OPERATIONS,
  PROTOCOL_VERSION,
  type Operation,
  type Params,
  type Result,
} from './protocol/index.ts';
import { Transport } from './transport.ts';
import { Watchdog } from './watchdog.ts';

const MAX_PENDING_CALLS = 10_000;

export interface ConnectionOptions {
  readonly url: string;
  readonly token: string;
  /** 22 to 64 characters of base64url, unguessable: who comes back after a lost socket. */
  readonly clientId: string;
  readonly disconnectGraceMs: number;
  readonly traceparent?: string | undefined;
  readonly handshakeTimeoutMs: number;
  readonly backoff: Backoff;
  /** Milliseconds after which attempts to reconnect end. */
  readonly giveUpAfterMs: number;
  readonly random: () => number;
  readonly onEvent: (event: EventEnvelope) => void;
  /** A new socket took over; nothing else is sent until this is done. Its calls are `isFirst`. */
  readonly onResume: () => Promise<void>;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #calls = new CallBook();
  readonly #streams = new Map<number, StreamSink>();
  readonly #ended = new AbortController();
  #transport: Transport | undefined;
  #watchdog: Watchdog | undefined;
  #isReady = false;
  #hasResumed = false;
  #failure: Error | undefined;
  #lastRequest = 0;
  #lastStream = 0;
  #hello: Result<'hello'> | undefined;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(options);
    await connection.#establish(signal).catch((error: unknown) => {
      connection.end(asError(error));
      throw error;
    });
    return connection;
  }

  /** What the daemon said of itself and of the token. */
  get hello(): Result<'hello'> {
    if (this.#hello === undefined) throw new ClientError('PROTOCOL_ERROR', 'Cannot read the greeting before it came');
    return this.#hello;
  }

  call<O extends Operation>(op: O, params: Params<O>, isFirst = false): Promise<Result<O>> {
    return new Promise((resolve, reject) => {
      const call = new SimpleCall(op, params, resolve, reject);
      if (isFirst) this.#write(call, call.request, true);
      else this.submit(call);
    });
  }

  /** Sends a call now or, while there is no socket, as soon as there is one. */
  submit(call: PendingCall): void {
    if (this.#failure !== undefined) call.fail(this.#failure);
    else if (this.#calls.size >= MAX_PENDING_CALLS) {
      call.fail(new ClientError('QUEUE_FULL', `Cannot send ${call.request.op}: ${MAX_PENDING_CALLS} calls wait for their answers`));
    } else if (this.#isReady) this.#write(call, call.request, false);
    else this.#calls.queue(call);
  }

  /** A call that stayed for its stream's sake is done. */
  forget(call: PendingCall): void {
    this.#calls.forget(call);
  }

  /** Fails every call that is about this sandbox. */
  failSandbox(sandbox: string, error: Error): void {
    const isOf = ({ params }: WireRequest): boolean => 'sandbox' in params && params.sandbox === sandbox;
    const sent = this.#calls.takeSent(({ request, isFirst }) => !isFirst && isOf(request));
    for (const call of [...sent, ...this.#calls.takeUnsent(({ request }) => isOf(request))]) call.fail(error);
  }

  addStream(sink: StreamSink): number {
    this.#lastStream = (this.#lastStream % 0xffff_ffff) + 1;
    this.#streams.set(this.#lastStream, sink);
    return this.#lastStream;
  }

  dropStream(stream: number): void {
    this.#streams.delete(stream);
  }

  sendData(stream: number, flags: number, offset: number, payload: Uint8Array): void {
    this.#transport?.sendData(flags, stream, offset, payload);
  }

  sendCredit(stream: number, offset: number): void {
    this.#transport?.send(encodeFrame(FRAME_KIND.credit, 0, stream, offset));
  }

  sendStop(stream: number): void {
    this.#transport?.send(encodeFrame(FRAME_KIND.stop, 0, stream, 0));
  }

  /** Ends the conversation for good: every open call fails with the error. */
  end(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#isReady = false;
    this.#ended.abort();
    this.#watchdog?.stop();
    this.#transport?.close(1000);
    this.#transport = undefined;
    for (const call of this.#calls.takeAll()) call.fail(error);
    this.#streams.clear();
  }

  async #establish(signal: AbortSignal): Promise<void> {
    const { url, token, handshakeTimeoutMs, clientId, disconnectGraceMs, traceparent } = this.#options;
    const socket: { transport?: Transport } = {};
    const transport = await Transport.dial({
      url,
      token,
      signal,
      timeoutMs: handshakeTimeoutMs,
      handlers: {
        onText: (text) => this.#onText(text),
        onBytes: (bytes) => this.#onBytes(bytes),
        onAlive: () => this.#watchdog?.heard(),
        onClose: (code, reason) => this.#onClose(socket.transport, code, reason),
      },
    });
    socket.transport = transport;
    if (this.#failure !== undefined) {
      transport.terminate();
      throw this.#failure;
    }
    this.#transport = transport;
    // Until the greeting says how often the daemon is heard, the handshake's patience holds.
    this.#watch(handshakeTimeoutMs / 3, transport);
    this.#hello = await this.call('hello', { protocol: PROTOCOL_VERSION, clientId, disconnectGraceMs, traceparent }, true);
    this.#watch(this.#hello.heartbeatMs, transport);
    if (this.#hasResumed) await this.#options.onResume();
    this.#hasResumed = true;
    if (this.#transport !== transport) throw errorOfClose(1006, '');
    this.#resume();
  }

  #watch(heartbeatMs: number, transport: Transport): void {
    this.#watchdog?.stop();
    this.#watchdog = new Watchdog(heartbeatMs, () => transport.terminate());
  }

  /** Sends again, in their order, what was sent on an earlier socket; then what came since. */
  #resume(): void {
    this.#isReady = true;
    for (const call of this.#calls.takeSent(() => true)) {
      const next = call.resume();
      if (next instanceof Error) call.fail(next);
      else this.#write(call, next, false);
    }
    for (const call of this.#calls.takeUnsent(() => true)) this.submit(call);
  }

  #write(call: PendingCall, request: WireRequest, isFirst: boolean): void {
    const transport = this.#transport;
    if (transport === undefined) {
      call.fail(errorOfClose(1006, ''));
      return;
    }
    this.#lastRequest += 1;
    const text = JSON.stringify({ id: this.#lastRequest, op: request.op, params: request.params });
    if (text.length > MAX_MESSAGE_BYTES / 3 && Buffer.byteLength(text) > MAX_MESSAGE_BYTES) {
      call.fail(
        new SandboxError(
          'TOO_LARGE',
          `Cannot send ${request.op}: ${Buffer.byteLength(text)} bytes are over the limit of ${MAX_MESSAGE_BYTES}`,
        ),
      );
      return;
    }
    this.#calls.add(this.#lastRequest, { call, request, isFirst });
    transport.send(text);
    call.opened?.();
  }

  #onText(text: string): void {
    const message = readMessage(text);
    if (message === null) this.#violation('a text message is neither event nor answer');
    else if (message.kind === 'answer') this.#onAnswer(message.id, message.result, message.error);
    else if (message.kind === 'event') {
      const { event } = message;
      if (event.event === 'stream.gap') this.#streams.get(event.stream)?.gap(event.from, event.to);
      else if (event.event !== 'heartbeat') this.#options.onEvent(event);
    }
  }

  #onAnswer(id: number, result: unknown, error: Error | undefined): void {
    const sent = this.#calls.find(id);
    if (sent === undefined) return;
    const { call, request } = sent;
    const parsed = error === undefined ? OPERATIONS[request.op].result.safeParse(result) : undefined;
    if (parsed?.success === true) {
      if (call.settle(parsed.data)) this.forget(call);
      return;
    }
    this.forget(call);
    const cause = parsed?.error;
    call.fail(error ?? new ClientError('PROTOCOL_ERROR', `Cannot read the answer to ${request.op}: it has an unknown shape`, { cause }));
  }

  #onBytes(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame === null) {
      this.#violation('a binary message is not a frame');
      return;
    }
    const sink = this.#streams.get(frame.stream);
    if (frame.kind === FRAME_KIND.data) sink?.data(frame);
    else if (frame.kind === FRAME_KIND.credit) sink?.credit(frame.offset);
    else sink?.stop();
  }

  #violation(what: string): void {
    this.#transport?.close(CLOSE_CODE.protocolViolation);
    this.end(new ClientError('PROTOCOL_ERROR', `Cannot go on with the daemon: ${what}`));
  }

  #onClose(transport: Transport | undefined, code: number, reason: string): void {
    if (transport === undefined || transport !== this.#transport) return;
    const wasReady = this.#isReady;
    const error = errorOfClose(code, reason);
    this.#detach(error);
    if (isFinal(error)) this.end(error);
    else if (wasReady) void this.#reconnect(error);
  }

  /** Lets go of the socket; calls that belong to its opening fail, the others wait for the next one. */
  #detach(error: Error): void {
    this.#transport?.terminate();
    this.#transport = undefined;
    this.#isReady = false;
    this.#watchdog?.stop();
    for (const call of this.#calls.takeSent(({ isFirst }) => isFirst)) call.fail(error);
  }

  async #reconnect(cause: Error): Promise<void> {
    const { backoff, giveUpAfterMs, random, url } = this.#options;
    const giveUpAt = performance.now() + giveUpAfterMs;
    for (let attempt = 0; ; attempt += 1) {
      await setTimeout(delayBefore(attempt, backoff, random), undefined, { signal: this.#ended.signal }).catch(() => undefined);
      if (this.#failure !== undefined) return;
      try {
        await this.#establish(this.#ended.signal);
        return;
      } catch (reason) {
        const error = asError(reason);
        this.#detach(error);
        if (isFinal(error)) this.end(error);
        else if (performance.now() >= giveUpAt) {
          this.end(new ClientError('CONNECTION_LOST', `Cannot reach ${url} for ${giveUpAfterMs} ms: ${cause.message}`, { cause: error }));
        }
      }
    }
  }
}

function asError(value: unknown): Error {
  return value instanceof Error
    ? value
    : new ClientError('PROTOCOL_ERROR', 'Cannot connect: something else than an error was thrown', { cause: value });
}
