// One WebSocket to the daemon: opens it, sends and hands over messages. The only file that knows ws.
// Knows nothing of requests, streams or reconnecting.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { dialSocket, type SocketTarget } from './dial-socket.ts';
import { ClientError, SandboxError, type ErrorCode } from './errors.ts';
import { FramePool } from './protocol/frame-pool.ts';
import { ERROR_CODES, FRAME_HEADER_BYTES, FRAME_KIND, MAX_MESSAGE_BYTES, SUBPROTOCOL, writeFrameHeader } from './protocol/index.ts';

const MAX_REFUSAL_BYTES = 64 * 1024;
/** Larger frames are not kept for the next one. */
const POOLED_FRAME_BYTES = 64 * 1024;
/** Smaller messages are copied: whoever keeps one must not keep the block that it was read into. */
const MIN_VIEW_BYTES = 8 * 1024;

export interface TransportHandlers {
  readonly onText: (text: string) => void;
  /** The bytes are a view that stays valid. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** Anything at all was heard, pings included. */
  readonly onAlive: () => void;
  /** Exactly once per transport. */
  readonly onClose: (code: number, reason: string) => void;
}

export interface DialOptions {
  readonly url: string;
  readonly token: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly handlers: TransportHandlers;
}

/** What the daemon says when it refuses the upgrade. */
const Refusal = z.object({ code: z.enum(ERROR_CODES), message: z.string(), hint: z.string().optional() });

const REFUSALS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  426: 'PROTOCOL_VERSION',
  429: 'QUOTA_EXCEEDED',
  503: 'SHUTTING_DOWN',
};

export class Transport {
  readonly #socket: WebSocket;
  /** The stream below it; null with TLS. */
  readonly #stream: Socket | null;
  readonly #frames = new FramePool(POOLED_FRAME_BYTES);
  #isBatching = false;

  private constructor(socket: WebSocket, stream: Socket | null) {
    this.#socket = socket;
    this.#stream = stream;
    socket.on('ping', () => this.#frames.rest());
  }

  /** Resolves when the socket is open; rejects with what the daemon or the network said. */
  static dial(options: DialOptions): Promise<Transport> {
    const { handlers, signal } = options;
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(aborted());
        return;
      }
      const { address, target } = endpoint(options.url);
      let stream: Socket | null = null;
      const socket = new WebSocket(address, SUBPROTOCOL, {
        headers: { authorization: `Bearer ${options.token}` },
        maxPayload: MAX_MESSAGE_BYTES,
        perMessageDeflate: false,
        handshakeTimeout: options.timeoutMs,
        ...(target === null ? {} : { createConnection: () => (stream = dialSocket(target)) }),
        // Safe because: a mask keeps scripts in browsers from writing what a cache on the way takes for HTTP; here the program
        // itself owns the socket. Masking and unmasking would cost more than all else that is done with an upload.
        generateMask: (mask) => mask.fill(0),
      });
      const abort = (): void => {
        reject(aborted());
        socket.terminate();
      };
      signal.addEventListener('abort', abort, { once: true });
      let isOpen = false;
      socket.on('open', () => {
        isOpen = true;
        signal.removeEventListener('abort', abort);
        resolve(new Transport(socket, stream));
      });
      socket.on('message', (data: Buffer, isBinary) => {
        handlers.onAlive();
        if (isBinary) handlers.onBytes(data.byteLength < MIN_VIEW_BYTES ? Buffer.from(data) : data);
        else handlers.onText(data.toString());
      });
      socket.on('ping', handlers.onAlive);
      socket.on('unexpected-response', (_request, response) => {
        void refusal(options.url, response).then((error) => {
          reject(error);
          socket.terminate();
        });
      });
      // After the opening an error is always followed by a close, which says it.
      socket.on('error', (cause) => {
        signal.removeEventListener('abort', abort);
        reject(new ClientError('CONNECT_FAILED', `Cannot connect to ${options.url}: ${cause.message}`, { cause }));
      });
      socket.on('close', (code, reason) => {
        if (isOpen) handlers.onClose(code, reason.toString());
      });
    });
  }

  send(message: string | Uint8Array): void {
    this.#batch();
    this.#socket.send(message);
  }

  /** A data frame; the payload is copied. */
  sendData(flags: number, stream: number, offset: number, payload: Uint8Array): void {
    const frame = this.#frames.take(FRAME_HEADER_BYTES + payload.byteLength);
    writeFrameHeader(frame, FRAME_KIND.data, flags, stream, offset);
    frame.set(payload, FRAME_HEADER_BYTES);
    this.#batch();
    this.#socket.send(frame, () => this.#frames.giveBack(frame));
  }

  /** What is sent by one piece of code goes as one write: a request and the data after it wake the daemon once. */
  #batch(): void {
    const stream = this.#stream;
    if (stream === null || this.#isBatching) return;
    this.#isBatching = true;
    stream.cork();
    queueMicrotask(() => {
      this.#isBatching = false;
      stream.uncork();
    });
  }

  close(code: number): void {
    this.#socket.close(code);
  }

  /** Ends the socket without waiting for the other side. */
  terminate(): void {
    this.#socket.terminate();
  }
}

function aborted(): ClientError {
  return new ClientError('ABORTED', 'Cannot connect: the signal was aborted');
}

/** Accepts ws, wss, http and https addresses, with or without the path, and `unix:/path/of/api.sock`. `target`: null with TLS. */
function endpoint(url: string): { readonly address: URL; readonly target: SocketTarget | null } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'unix:' && parsed.pathname.startsWith('/'))
    return { address: new URL('ws://localhost/v1/ws'), target: { path: decodeURIComponent(parsed.pathname) } };
  if (parsed === undefined || !/^(ws|http)s?:$/.test(parsed.protocol)) {
    throw new ClientError('INVALID_ARGUMENT', `Cannot connect to ${JSON.stringify(url)}: it is not a ws://, wss:// or unix: address`);
  }
  parsed.protocol = parsed.protocol.replace('http', 'ws');
  if (parsed.pathname === '/') parsed.pathname = '/v1/ws';
  if (parsed.protocol === 'wss:') return { address: parsed, target: null };
  // As the socket wants it: an IPv6 address without its brackets.
  return { address: parsed, target: { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port || 80) } };
}

/** Reads why an upgrade was refused: the daemon's own error, or what its status means. */
async function refusal(url: string, response: IncomingMessage): Promise<Error> {
  let text = '';
  try {
    for await (const part of response) {
      text += String(part);
      if (text.length > MAX_REFUSAL_BYTES) break;
    }
    const parsed = Refusal.safeParse(JSON.parse(text));
    if (parsed.success) return new SandboxError(parsed.data.code, parsed.data.message, { hint: parsed.data.hint });
  } catch {
    // No body of ours: the status decides.
  }
  const status = response.statusCode ?? 0;
  const code = REFUSALS[status];
  if (code !== undefined) return new SandboxError(code, `Cannot connect to ${url}: the daemon answered HTTP ${status}`);
  return new ClientError('CONNECT_FAILED', `Cannot connect to ${url}: HTTP ${status} instead of a WebSocket`);
}
