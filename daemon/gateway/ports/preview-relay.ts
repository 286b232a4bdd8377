// Passes one request, or one WebSocket, between a visitor and a tenant's server, with back-pressure both ways and
// nothing held. Owns the bytes from the moment both ends are there; who may come in is decided before.

import { type ClientRequest, type IncomingMessage, request as httpRequest, ServerResponse, validateHeaderValue } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { headersForClient, headersForServer } from './preview-headers.ts';

const MAX_HEADER_BYTES = 64 * 1024;

export interface RelayOptions {
  readonly request: IncomingMessage;
  /** The connection to the server in the sandbox; destroyed at the end. */
  readonly server: Duplex;
  readonly path: string;
  /** Host name of the preview, without port; null: at the door. */
  readonly host: string | null;
}

/** Resolves when the response is out; rejects before its first byte if the server gave none that can be passed on. */
export async function relayRequest(options: RelayOptions, response: ServerResponse): Promise<void> {
  const { request, server, host } = options;
  const giveUp = () => server.destroy();
  response.once('close', giveUp);
  try {
    if (response.destroyed) return;
    const hasLength = request.headers['transfer-encoding'] === undefined;
    const upstream = requestTo(options, hasLength ? [] : ['Transfer-Encoding', 'chunked']);
    const answered = answerOf(upstream);
    request.pipe(upstream);
    const answer = await answered;
    if (answer.kind === 'upgraded') throw badAnswer('it changed the protocol unasked');
    await passOn(answer.response, response, host);
  } finally {
    response.off('close', giveUp);
    server.destroy();
    // What the server did not read of the request is not read for it.
    request.unpipe();
  }
}

/** Resolves when the WebSocket is over. */
export async function relayUpgrade(options: RelayOptions, socket: Duplex, head: Buffer): Promise<void> {
  const { request, server, host } = options;
  const giveUp = () => server.destroy();
  socket.once('close', giveUp);
  try {
    if (socket.destroyed) return;
    const upstream = requestTo(options, ['Connection', 'Upgrade', 'Upgrade', 'websocket']);
    const answered = answerOf(upstream);
    upstream.end();
    const answer = await answered;
    if (answer.kind === 'answered') {
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      // Safe because: sockets of node:http servers are net.Socket, its types only promise Duplex.
      response.assignSocket(socket as Socket);
      await passOn(answer.response, response, host);
      return;
    }
    socket.write(switchingHead(answer.response, host), 'latin1');
    socket.write(answer.head);
    server.write(head);
    // Either direction may end or break first; a connection of which one half is left is over.
    await Promise.race([pipeline(socket, server), pipeline(server, socket)]).catch(() => undefined);
  } finally {
    socket.off('close', giveUp);
    server.destroy();
    // Safe because: sockets of node:http servers are net.Socket, its types only promise Duplex.
    (socket as Socket).destroySoon();
  }
}

type Answer =
  | { readonly kind: 'answered'; readonly response: IncomingMessage }
  | { readonly kind: 'upgraded'; readonly response: IncomingMessage; readonly head: Buffer };

function requestTo({ request, server, path }: RelayOptions, more: readonly string[]): ClientRequest {
  return httpRequest({
    createConnection: () => server,
    method: request.method,
    path,
    headers: [...headersForServer(request.rawHeaders), ...more],
    maxHeaderSize: MAX_HEADER_BYTES,
  });
}

function answerOf(upstream: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    upstream.once('response', (response) => resolve({ kind: 'answered', response }));
    upstream.once('upgrade', (response, _socket, head) => resolve({ kind: 'upgraded', response, head }));
    // Stays: the connection may break at any later time, which whoever reads from it sees too.
    upstream.on('error', (cause) => reject(badAnswer(cause.message, cause)));
    upstream.once('close', () => reject(badAnswer('it closed the connection')));
  });
}

async function passOn(from: IncomingMessage, to: ServerResponse, host: string | null): Promise<void> {
  try {
    to.writeHead(from.statusCode ?? 502, headersForClient(from.rawHeaders, host));
  } catch (cause) {
    throw badAnswer('its headers are not valid', cause);
  }
  // An event stream's headers come long before its first event.
  to.flushHeaders();
  await pipeline(from, to);
}

function switchingHead(response: IncomingMessage, host: string | null): string {
  const headers = ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...headersForClient(response.rawHeaders, host)];
  const lines = Array.from({ length: headers.length / 2 }, (_, n) => {
    const [name = '', value = ''] = headers.slice(2 * n, 2 * n + 2);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`;
}

const badAnswer = (why: string, cause?: unknown): SandboxError =>
  new SandboxError('SANDBOX_FAILED', `Cannot read the answer of the server in the sandbox: ${why}`, {
    retry: 'later',
    hint: 'Look at what the server printed.',
    cause,
  });
