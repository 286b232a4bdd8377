// The listening socket: HTTP routes and WebSocket upgrades. Owns who gets in; a connection owns itself from then on.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { SandboxError } from '../../client/protocol/errors.ts';
import { BEARER_PREFIX, CLOSE_CODE, MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../../client/protocol/frames.ts';
import type { Principal } from '../auth/principal.ts';
import type { Clock } from '../observe/clock.ts';
import { listenTcp } from '../observe/listen-tcp.ts';
import type { Log } from '../observe/log.ts';
import { bearerOf } from './bearer.ts';
import type { ClientSocket } from './client-socket.ts';
import { Connection, type Dispatch } from './connection.ts';
import { type HttpAnswer, sendFile, sendStream } from './http-answer.ts';
import { sendWeb } from './web-answer.ts';
import { LocalListener } from './local-listener.ts';
import { originRule, type OriginRule, refuseOrigin } from './origin.ts';
import { TenantQueues } from './tenant-queues.ts';

/** Of one tenant, so that none can take every place. */
const MAX_OF_TENANT = 2000;

export interface UpgradedClient {
  readonly request: IncomingMessage;
  readonly token: string;
  readonly principal: Principal;
}

export interface GatewayOptions {
  readonly host: string;
  readonly port: number;
  /** A unix socket that is served as well. */
  readonly socketPath?: string | undefined;
  readonly origins: readonly string[];
  readonly verify: (token: string) => Promise<Principal>;
  readonly dispatch: Dispatch;
  /** Answers plain HTTP; the principal is null where no valid token was sent. */
  readonly route: (request: IncomingMessage, principal: Principal | null) => Promise<HttpAnswer>;
  /** Told of everyone who is not let in. */
  readonly onRefused: (refused: {
    readonly code: string;
    readonly message: string;
    readonly address: string | undefined;
    readonly url: string | undefined;
  }) => void;
  readonly onDisconnected: (connection: Connection) => void;
  /** Of a member of a fleet: stands between a client and its connection. */
  readonly routed?: ((accepted: WebSocket, client: UpgradedClient) => ClientSocket) | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeatMs: number;
  readonly maxConnections: number;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #queues: TenantQueues;
  readonly #local: LocalListener | null;
  #rule: OriginRule | null = null;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#queues = new TenantQueues({ connections: () => this.#connections, log: options.log });
    this.#http = createServer(
      { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 30_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#http.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
    const { socketPath } = options;
    this.#local = socketPath === undefined ? null : new LocalListener(socketPath, (socket) => this.#http.emit('connection', socket));
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL,
    });
  }

  /** Starts listening; the address answers with the port that was picked. A taken port is INVALID_REQUEST with the remedy. */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    const picked = await listenTcp(this.#http, {
      host,
      port,
      failure: `Cannot listen on ${host}:${port}`,
      hint: 'Stop what listens there, or choose another --listen HOST:PORT (port 0 picks one).',
    });
    this.#rule = originRule(host, picked, this.#options.origins);
    await this.#local?.listen();
    return { host, port: picked };
  }

  connections(): Iterable<Connection> {
    return this.#connections;
  }

  /** Clients are told to come back; whatever they ask from now on is not answered. */
  sendAway(): void {
    for (const connection of this.#connections) connection.close(CLOSE_CODE.goingAway, 'the daemon stops');
  }

  async close(): Promise<void> {
    this.sendAway();
    this.#sockets.close();
    this.#local?.close();
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
      this.#options.clock.after(2500, () => this.#http.closeAllConnections());
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    try {
      const refusal = this.#refusal(request);
      if (refusal !== null) {
        const message = `Cannot serve this: ${refusal}`;
        this.#refused(request, 'FORBIDDEN', message);
        return answer(403, { code: 'FORBIDDEN', message });
      }
      const token = bearerOf(request.headers.authorization);
      const principal = token === '' ? null : await this.#options.verify(token);
      const routed = await this.#options.route(request, principal);
      if ('web' in routed) await sendWeb(response, routed);
      else if ('stream' in routed) await sendStream(response, routed);
      else if ('bytes' in routed) sendFile(response, routed);
      else answer(routed.status, routed.body);
    } catch (error) {
      const known = SandboxError.is(error) ? error : null;
      if (known === null) this.#options.log.error({ err: error }, 'http request failed');
      // An answer that has begun can only be cut off.
      if (response.headersSent) return void response.destroy();
      if (known?.code === 'UNAUTHENTICATED') this.#refused(request, known.code, known.message);
      answer(known?.httpStatus ?? 500, {
        code: known?.code ?? 'INTERNAL',
        message: known?.message ?? 'Cannot answer: an internal failure',
        hint: known?.hint ?? '',
      });
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string, code: string, message: string) => {
      this.#refused(request, code, message);
      const body = `${JSON.stringify({ code, message })}\n`;
      socket.end(
        `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    };
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (request.url !== '/v1/ws') return refuse('404 Not Found', 'NOT_FOUND', 'Cannot upgrade: only /v1/ws is a WebSocket');
    const refusal = this.#refusal(request);
    if (refusal !== null) return refuse('403 Forbidden', 'FORBIDDEN', `Cannot upgrade: ${refusal}`);
    if (!offered.includes(SUBPROTOCOL))
      return refuse('426 Upgrade Required', 'PROTOCOL_VERSION', `Cannot upgrade: offer the subprotocol ${SUBPROTOCOL}`);
    try {
      const fromList = offered.find((name) => name.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length) ?? '';
      const token = bearerOf(request.headers.authorization) || fromList;
      const principal = await this.#options.verify(token);
      if (this.#connections.size >= this.#options.maxConnections)
        return refuse('503 Service Unavailable', 'CAPACITY', 'Cannot upgrade: too many connections');
      if (this.#countOf(principal) >= MAX_OF_TENANT)
        return refuse('503 Service Unavailable', 'CAPACITY', `Cannot upgrade: the tenant has ${MAX_OF_TENANT} connections`);
      this.#sockets.handleUpgrade(request, socket, head, (accepted) =>
        this.#accept(
          new Connection({
            ...this.#options,
            socket: this.#options.routed?.(accepted, { request, token, principal }) ?? accepted,
            stream: socket,
            principal,
            onClosed: (connection) => this.#closed(connection),
            onTraffic: (bytes) => this.#queues.passed(bytes),
          }),
        ),
      );
    } catch (error) {
      refuse('401 Unauthorized', 'UNAUTHENTICATED', SandboxError.is(error) ? error.message : 'Cannot authenticate');
    }
  }

  /** Connections of the principal's tenant, those included that have not introduced themselves. */
  #countOf({ tenant }: Principal): number {
    let count = 0;
    for (const { principal } of this.#connections) if (principal.tenant === tenant) count += 1;
    return count;
  }

  #accept(connection: Connection): void {
    this.#connections.add(connection);
  }

  #closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#options.onDisconnected(connection);
  }

  #refused(request: IncomingMessage, code: string, message: string): void {
    this.#options.onRefused({ code, message, address: request.socket.remoteAddress, url: request.url });
  }

  #refusal(request: IncomingMessage): string | null {
    if (this.#rule === null) return 'it is not ready';
    // No page and no rebound name gets to a unix socket, so its Host says nothing.
    const isLocal = this.#local?.has(request.socket) === true;
    return refuseOrigin(this.#rule, request.headers.host, request.headers.origin, isLocal);
  }
}
