// One WebSocket to the daemon, opened when it is first needed and again when it was lost. Requests, their answers, and the bytes of
// commands and files, with credit as they are consumed. A browser can't set headers, so the token goes in the list of subprotocols.

import {
  BEARER_PREFIX,
  decodeFrame,
  encodeFrame,
  FRAME_KIND,
  INITIAL_WINDOW,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
} from '../client/protocol/frames.ts';
import type { ErrorBody, Operation, Params, Result } from '../client/protocol/requests.ts';
import { Refusal } from './http.ts';

interface Call {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface StreamReader {
  /** `consumed` is called when there is room for more. */
  readonly onBytes: (bytes: Uint8Array, consumed: () => void) => void;
  readonly onGap?: (from: number, to: number) => void;
}

interface OpenStream extends StreamReader {
  consumed: number;
  granted: number;
}

export class Wire {
  readonly #token: string;
  #socket: Promise<WebSocket> | null = null;
  #calls = new Map<number, Call>();
  #streams = new Map<number, OpenStream>();
  /** Sandboxes joined on this socket. */
  #joined = new Map<string, Promise<unknown>>();
  #last = 0;
  #isClosed = false;

  constructor(token: string) {
    this.#token = token;
  }

  async call<O extends Operation>(op: O, params: Params<O>): Promise<Result<O>> {
    const socket = await this.#open();
    return (await this.#send(socket, op, params)) as Result<O>;
  }

  /** Once per socket: takes part in a session, or watches it. */
  join(
    sandbox: { readonly id: string; readonly tenant: string; readonly session: string },
    isOperator: boolean,
    role: 'observer' | 'participant',
  ): Promise<unknown> {
    const known = this.#joined.get(sandbox.id);
    if (known !== undefined) return known;
    const params = { session: sandbox.session, role, ...(isOperator ? { tenant: sandbox.tenant } : {}) } as Params<'open'>;
    const joining = this.call('open', params);
    this.#joined.set(sandbox.id, joining);
    joining.catch(() => this.#joined.delete(sandbox.id));
    return joining;
  }

  /** A call whose bytes come on a stream until it is answered, or until the signal. */
  async stream<O extends 'exec.attach' | 'files.read'>(
    op: O,
    params: Omit<Params<O>, 'stream'>,
    reader: StreamReader,
    signal?: AbortSignal,
  ): Promise<Result<O>> {
    const socket = await this.#open();
    signal?.throwIfAborted();
    this.#last += 1;
    const id = this.#last;
    this.#streams.set(id, { ...reader, consumed: 0, granted: INITIAL_WINDOW });
    const stop = (): void => {
      this.#streams.delete(id);
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeFrame(FRAME_KIND.stop, 0, id, 0));
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const answer = this.#send(socket, op, { ...params, stream: id });
      return (await answer) as Result<O>;
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#streams.delete(id);
    }
  }

  close(): void {
    this.#isClosed = true;
    void this.#socket?.then(
      (socket) => socket.close(1000),
      () => undefined,
    );
  }

  #send(socket: WebSocket, op: Operation, params: unknown): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, op, params }));
    });
  }

  #open(): Promise<WebSocket> {
    if (this.#isClosed) return Promise.reject(new Refusal('CLOSED', 'Signed out.'));
    this.#socket ??= this.#connect();
    return this.#socket;
  }

  async #connect(): Promise<WebSocket> {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/v1/ws`, [SUBPROTOCOL, `${BEARER_PREFIX}${this.#token}`]);
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data === 'string') this.#onText(data);
      else this.#onBytes(socket, new Uint8Array(data));
    });
    const lost = new Refusal('UNREACHABLE', 'The connection to the daemon was lost.', 'Try again.');
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve(), { once: true });
      socket.addEventListener('close', () => {
        this.#lost(lost);
        reject(lost);
      });
    });
    const clientId = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    await this.#send(socket, 'hello', { protocol: PROTOCOL_VERSION, clientId, disconnectGraceMs: 0 });
    return socket;
  }

  #lost(error: Error): void {
    const calls = this.#calls;
    this.#socket = null;
    this.#calls = new Map();
    this.#streams = new Map();
    this.#joined = new Map();
    for (const { reject } of calls.values()) reject(error);
  }

  #onText(text: string): void {
    // Safe because: see answers.ts.
    const message = JSON.parse(text) as {
      id?: number;
      result?: unknown;
      error?: ErrorBody;
      event?: string;
      stream?: number;
      from?: number;
      to?: number;
    };
    if (message.event === 'stream.gap' && message.stream !== undefined) {
      const stream = this.#streams.get(message.stream);
      if (stream === undefined) return;
      const { from = 0, to = 0 } = message;
      stream.consumed = Math.max(stream.consumed, to);
      stream.onGap?.(from, to);
    }
    const call = this.#calls.get(message.id ?? 0);
    if (call === undefined) return;
    this.#calls.delete(message.id ?? 0);
    const { error } = message;
    if (error === undefined) call.resolve(message.result);
    else call.reject(new Refusal(error.code, error.message, error.hint));
  }

  #onBytes(socket: WebSocket, data: Uint8Array): void {
    const frame = decodeFrame(data);
    if (frame === null || frame.kind !== FRAME_KIND.data || frame.payload.byteLength === 0) return;
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return;
    const end = frame.offset + frame.payload.byteLength;
    stream.onBytes(frame.payload, () => {
      stream.consumed = Math.max(stream.consumed, end);
      if (stream.granted - stream.consumed > INITIAL_WINDOW / 2) return;
      stream.granted = stream.consumed + INITIAL_WINDOW;
      if (socket.readyState === WebSocket.OPEN && this.#streams.has(frame.stream))
        socket.send(encodeFrame(FRAME_KIND.credit, 0, frame.stream, stream.granted));
    });
  }
}
