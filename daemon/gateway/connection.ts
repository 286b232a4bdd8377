// One client connection: frames in, requests dispatched, frames out. Owns the socket's flow, heartbeats, deadlines
// and bounds; what a request means is the handlers' business.

import type { Duplex } from 'node:stream';
import type { RawData } from 'ws';
import { SandboxError } from '../../client/protocol/errors.ts';
import { FramePool } from '../../client/protocol/frame-pool.ts';
import { CLOSE_CODE, decodeFrame, FRAME_KIND, MAX_MESSAGE_BYTES } from '../../client/protocol/frames.ts';
import { OPERATIONS, RequestEnvelope, type EventEnvelope, type Operation } from '../../client/protocol/requests.ts';
import type { Principal } from '../auth/principal.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ClientState } from '../session/client-registry.ts';
import { OpenedRoles } from '../session/opened-roles.ts';
import type { ClientSocket } from './client-socket.ts';
import { errorBody } from './error-body.ts';
import { IncomingStream } from './incoming-stream.ts';
import { OneWrite } from './one-write.ts';
import { MAX_FRAME_BYTES, OutgoingStream } from './outgoing-stream.ts';
import { refusalText } from './refusal.ts';
import { assertFree } from './stream-ids.ts';
import { queuedBytesOf } from './tenant-queues.ts';

const HELLO_DEADLINE_MS = 10_000;
const MAX_REQUESTS = 1024;
/** Bytes in the socket's buffer above which senders wait. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/** Bytes of answers a client may leave unread before it is cut off. */
const HARD_LIMIT_BYTES = 16 * 1024 * 1024;

/** Performs an operation whose parameters have been parsed. */
export type Dispatch = (connection: Connection, operation: Operation, params: unknown) => Promise<unknown>;

export interface ConnectionOptions {
  readonly socket: ClientSocket;
  /** The stream below it. */
  readonly stream: Pick<Duplex, 'cork' | 'uncork'>;
  readonly principal: Principal;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeatMs: number;
  readonly onClosed: (connection: Connection) => void;
  /** So many bytes came or are about to go. */
  readonly onTraffic: (bytes: number) => void;
}

export class Connection {
  readonly principal: Principal;
  /** How sessions were opened here; a resumed client opens them again. */
  readonly roles = new OpenedRoles();
  /** Set by hello. */
  client: ClientState | null = null;
  readonly disconnect = (): void => this.close(CLOSE_CODE.goingAway, 'resumed elsewhere');
  readonly #outgoing = new Map<number, OutgoingStream>();
  readonly #incoming = new Map<number, IncomingStream>();
  readonly #frames = new FramePool(MAX_FRAME_BYTES);
  /** Data and the answer after it. */
  readonly #oneWrite: OneWrite;
  readonly #options: ConnectionOptions;
  readonly #timers: (() => void)[] = [];
  #lastHeardMs: number;
  #requestsInFlight = 0;
  #requestBytes = 0;
  /** The close frame is sent: whatever still comes is not answered. */
  #isClosing = false;
  #isClosed = false;
  #roomWaiters: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.principal = options.principal;
    this.#oneWrite = new OneWrite(options.stream);
    const { socket, clock, heartbeatMs } = options;
    this.#lastHeardMs = clock.now();
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('pong', () => (this.#lastHeardMs = clock.now()));
    socket.on('close', () => this.#onClose());
    socket.on('error', (error) => options.log.debug({ err: error }, 'connection error'));
    this.#timers.push(
      clock.after(HELLO_DEADLINE_MS, () => {
        if (this.client === null) this.close(CLOSE_CODE.protocolViolation, 'no hello in time');
      }),
      clock.after(options.principal.expiresAt - clock.now(), () => this.#expire()),
    );
    this.#beat(heartbeatMs);
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  get clientId(): string {
    if (this.client === null) throw new SandboxError('INVALID_REQUEST', 'Cannot call this: hello comes first');
    return this.client.id;
  }

  /** What waits here for the client, or came from it and waits for whom it is for. */
  get queuedBytes(): number {
    return queuedBytesOf(this.#options.socket, this.#requestBytes, this.#incoming.values());
  }

  cut(): void {
    this.#options.socket.terminate();
  }

  openOutgoing(id: number, offset: number): OutgoingStream {
    assertFree(this.#outgoing, id);
    const stream = new OutgoingStream(id, this, offset, this.#frames);
    this.#outgoing.set(id, stream);
    return stream;
  }

  /** `base` null: the reader says later from where on it wants the bytes. */
  openIncoming(id: number, base: 0 | null): IncomingStream {
    assertFree(this.#incoming, id);
    const stream = new IncomingStream(id, this, base);
    this.#incoming.set(id, stream);
    return stream;
  }

  /** Of a command: output from `offset` on, and what the client writes. Both or neither. */
  openBoth(
    id: number | undefined,
    offset: number,
    isWritten: boolean,
  ): { readonly outgoing: OutgoingStream | null; readonly incoming: IncomingStream | null } {
    if (id === undefined) return { outgoing: null, incoming: null };
    assertFree(this.#incoming, id);
    return { outgoing: this.openOutgoing(id, offset), incoming: isWritten ? this.openIncoming(id, null) : null };
  }

  closeStream(id: number): void {
    this.#outgoing.delete(id);
    this.#incoming.delete(id);
  }

  sendEvent(event: EventEnvelope): void {
    this.#sendText(event);
  }

  sendFrame(frame: Uint8Array, onSent?: () => void): Promise<void> | void {
    const { socket } = this.#options;
    if (this.#isClosed) return;
    this.#options.onTraffic(frame.byteLength);
    // A full one is followed by more, and the client had better begin with it.
    if (frame.byteLength < MAX_FRAME_BYTES) this.#oneWrite.begin();
    socket.send(frame, { binary: true }, () => {
      onSent?.();
      this.#releaseRoom();
    });
    if (socket.bufferedAmount < HIGH_WATER_BYTES) return;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#options.socket.close(code, reason);
    const { socket, clock } = this.#options;
    // A peer that does not answer the close frame is cut.
    clock.after(2000, () => socket.terminate());
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return;
    this.#lastHeardMs = this.#options.clock.now();
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    this.#options.onTraffic(bytes.byteLength);
    if (isBinary) this.#onFrame(bytes);
    else this.#onRequest(bytes.toString('utf8'));
  }

  #onFrame(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame === null) return this.close(CLOSE_CODE.protocolViolation, 'malformed binary frame');
    // Safe because: a frame for a stream that has just ended is not a violation, the two crossed on the wire.
    if (frame.kind === FRAME_KIND.credit) this.#outgoing.get(frame.stream)?.credit(frame.offset);
    else if (frame.kind === FRAME_KIND.stop) this.#onStop(frame.stream);
    else if (this.#incoming.get(frame.stream)?.accept(frame) === false)
      this.close(CLOSE_CODE.protocolViolation, 'data frame out of order or beyond its credit');
  }

  /** Of a stream both ways it ends the output alone; of an upload it says that there will be no more of it. */
  #onStop(id: number): void {
    const outgoing = this.#outgoing.get(id);
    if (outgoing !== undefined) outgoing.stop();
    else this.#incoming.get(id)?.fail(new SandboxError('INVALID_REQUEST', 'Cannot go on: the client gave the stream up before its end'));
  }

  #onRequest(text: string): void {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return this.close(CLOSE_CODE.protocolViolation, 'message is not JSON');
    }
    const envelope = RequestEnvelope.safeParse(json);
    if (!envelope.success) {
      const id = typeof json === 'object' && json !== null && 'id' in json && Number.isSafeInteger(json.id) ? (json.id as number) : null;
      if (id === null) return this.close(CLOSE_CODE.protocolViolation, 'message is not a request');
      return this.#sendError(id, new SandboxError('INVALID_REQUEST', `Cannot read the request: ${refusalText(envelope.error)}`));
    }
    const { id, op, params } = envelope.data;
    if (this.#requestsInFlight >= MAX_REQUESTS) {
      return this.#sendError(
        id,
        new SandboxError('QUOTA_EXCEEDED', `Cannot take request ${id}: ${MAX_REQUESTS} are in flight on this connection`),
      );
    }
    this.#requestsInFlight += 1;
    this.#requestBytes += text.length;
    void this.#perform(id, op, params).finally(() => {
      this.#requestsInFlight -= 1;
      this.#requestBytes -= text.length;
    });
  }

  async #perform(id: number, op: Operation, params: unknown): Promise<void> {
    try {
      if (op !== 'hello' && this.client === null) throw new SandboxError('INVALID_REQUEST', `Cannot call ${op}: hello comes first`);
      const parsed = OPERATIONS[op].params.safeParse(params);
      if (!parsed.success) throw new SandboxError('INVALID_REQUEST', `Cannot call ${op}: ${refusalText(parsed.error)}`);
      const result = await this.#options.dispatch(this, op, parsed.data);
      this.#sendText({ id, result });
    } catch (error) {
      if (!this.#isClosed) this.#sendError(id, error);
    }
  }

  #sendError(id: number, error: unknown): void {
    if (!SandboxError.is(error)) this.#options.log.error({ err: error, requestId: id }, 'request failed');
    this.#sendText({ id, error: errorBody(error, id) });
  }

  #sendText(message: object): void {
    if (this.#isClosed) return;
    const { socket } = this.#options;
    const text = JSON.stringify(message);
    if ('result' in message && text.length > MAX_MESSAGE_BYTES / 3 && Buffer.byteLength(text) > MAX_MESSAGE_BYTES) {
      const id = 'id' in message ? Number(message.id) : 0;
      return this.#sendError(
        id,
        new SandboxError('TOO_LARGE', `Cannot answer: the result is larger than a message may be (${MAX_MESSAGE_BYTES} bytes)`, {
          hint: 'Ask for less at once, for example with limit.',
        }),
      );
    }
    this.#options.onTraffic(text.length);
    socket.send(text);
    if (socket.bufferedAmount > HARD_LIMIT_BYTES) socket.terminate();
  }

  #releaseRoom(): void {
    if (this.#roomWaiters.length === 0 || this.#options.socket.bufferedAmount >= HIGH_WATER_BYTES / 2) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resume of waiters) resume();
  }

  #beat(heartbeatMs: number): void {
    const { socket, clock } = this.#options;
    const cancel = clock.after(heartbeatMs, () => {
      this.#timers.splice(this.#timers.indexOf(cancel), 1);
      if (clock.now() - this.#lastHeardMs > 3 * heartbeatMs) return socket.terminate();
      socket.ping();
      this.sendEvent({ event: 'heartbeat' });
      this.#frames.rest();
      this.#beat(heartbeatMs);
    });
    this.#timers.push(cancel);
  }

  #expire(): void {
    const left = this.principal.expiresAt - this.#options.clock.now();
    if (left > 0) this.#timers.push(this.#options.clock.after(left, () => this.#expire()));
    else this.close(CLOSE_CODE.tokenExpired, 'the token expired');
  }

  #onClose(): void {
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
    const lost = new SandboxError('INVALID_REQUEST', 'Cannot go on: the connection is closed');
    for (const stream of this.#incoming.values()) stream.fail(lost);
    for (const stream of this.#outgoing.values()) stream.stop();
    this.#incoming.clear();
    this.#outgoing.clear();
    for (const resume of this.#roomWaiters) resume();
    this.#roomWaiters = [];
    this.#options.onClosed(this);
  }
}
