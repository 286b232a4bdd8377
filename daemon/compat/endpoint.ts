// The listener that E2B's clients talk to: its API and the calls to sandboxes on one address. Owns who gets in, which call is meant,
// how many there may be at once, and how a failure is told.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId, TenantName } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import { listenTcp } from '../observe/listen-tcp.ts';
import type { Log } from '../observe/log.ts';
import type { ApiKey } from './api-keys.ts';
import { answerApi } from './api-routes.ts';
import { endFrame, STREAM_TYPE } from './connect-codec.ts';
import { assertOrdinaryUser, type Doorkeeper } from './doorkeeper.ts';
import { type Failure, failureOf, notRunning, Unsupported } from './failure.ts';
import { answerFiles } from './file-transfer.ts';
import { FILESYSTEM_CALLS, FILESYSTEM_STREAMS } from './filesystem-service.ts';
import { sendJson } from './http-io.ts';
import type { LiveSandbox, LiveSandboxes } from './live-sandboxes.ts';
import { PROCESS_CALLS, PROCESS_STREAMS } from './process-service.ts';
import { Room } from './room.ts';
import { answerStream, answerUnary } from './rpc.ts';
import type { SandboxApi } from './sandbox-api.ts';

const MAX_CONNECTIONS = 4000;
/** Stands for the name that nobody reads. */
const BASE = 'http://endpoint';

export interface EndpointOptions {
  readonly host: string;
  readonly port: number;
  /** Of pages that may call; others are refused. */
  readonly origins: readonly string[];
  readonly doorkeeper: Doorkeeper;
  readonly api: SandboxApi;
  readonly sandboxes: LiveSandboxes;
  readonly onRefused: (refused: {
    readonly code: string;
    readonly message: string;
    readonly address: string | undefined;
    readonly url: string | undefined;
  }) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #http: Server;
  /** At most as many as there are tenants with keys. */
  readonly #rooms = new Map<TenantName, Room>();

  constructor(options: EndpointOptions) {
    this.#options = options;
    // An upload may take as long as it takes, so there is no requestTimeout; other bodies have a limit of their own.
    this.#http = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 10_000, requestTimeout: 0 }, (request, response) => {
      response.on('error', () => response.destroy());
      void this.#serve(request, response).catch((error: unknown) => this.#fail(request, response, error));
    });
    this.#http.maxConnections = MAX_CONNECTIONS;
  }

  /** Answers where it listens. */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    const failure = `Cannot listen on ${host}:${port} for E2B clients`;
    return `http://${host}:${await listenTcp(this.#http, { host, port, failure, hint: 'Choose another compat.e2b.listen.' })}`;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { doorkeeper, origins, api } = this.#options;
    const { origin } = request.headers;
    if (origin !== undefined && !origins.includes(origin))
      throw new SandboxError('FORBIDDEN', 'Cannot serve this: the Origin header is not an allowed one');
    if (!URL.canParse(request.url ?? '/', BASE)) throw new SandboxError('INVALID_REQUEST', 'Cannot serve this: the address is not a path');
    const url = new URL(request.url ?? '/', BASE);
    const [, first = ''] = url.pathname.split('/');
    const isOfSandbox = first.includes('.') || first === 'files' || first === 'health';
    if (isOfSandbox) {
      const { key, id } = await doorkeeper.sandboxOf(request, url);
      return await this.#roomOf(key).run(() => this.#answerSandbox(request, response, url, key, id));
    }
    const key = await doorkeeper.keyOf(request);
    const room = this.#roomOf(key);
    await room.run(() => answerApi(api, { key, room, request, response, url }));
  }

  async #answerSandbox(request: IncomingMessage, response: ServerResponse, url: URL, key: ApiKey, id: SandboxId): Promise<void> {
    const { sandboxes, doorkeeper, clock } = this.#options;
    assertOrdinaryUser(request, url);
    await doorkeeper.assertAwake(key.tenant, id);
    const room = this.#roomOf(key);
    const inSandbox = (work: (live: LiveSandbox) => Promise<void>): Promise<void> => {
      let isFound = false;
      return sandboxes
        .use(key.tenant, id, (live) => {
          isFound = true;
          return work(live);
        })
        .catch((error: unknown) => {
          throw !isFound && SandboxError.is(error, 'NOT_FOUND') ? notRunning(error.message) : error;
        });
    };
    if (url.pathname === '/health') {
      await inSandbox(async ({ sandbox }) => void (await sandbox.execs()));
      return sendJson(response, 204, null);
    }
    if (url.pathname === '/files') return await inSandbox((live) => answerFiles(request, response, url, live));
    const [, service = '', method = '', ...rest] = url.pathname.split('/');
    const isProcess = service === 'process.Process';
    if (request.method !== 'POST' || rest.length > 0 || (!isProcess && service !== 'filesystem.Filesystem'))
      throw new SandboxError('NOT_FOUND', `Cannot find ${url.pathname}: there is no such call`);
    const type = contentTypeOf(request);
    const streams = isProcess ? PROCESS_STREAMS : FILESYSTEM_STREAMS;
    const calls = isProcess ? PROCESS_CALLS : FILESYSTEM_CALLS;
    const stream = Object.hasOwn(streams, method) ? streams[method] : undefined;
    const call = Object.hasOwn(calls, method) ? calls[method] : undefined;
    if (stream !== undefined && type === STREAM_TYPE)
      return await inSandbox((live) =>
        answerStream(request, response, live, stream, {
          room,
          clock,
          assertHonoured: () => doorkeeper.assertHonoured(key),
          failureOf: (error) => this.#told(error),
        }),
      );
    if (call !== undefined && type === 'application/json')
      return await inSandbox((live) => answerUnary(request, response, live, call, room));
    throw new Unsupported(
      `${url.pathname} with ${type || 'no content type'}`,
      'Use the Connect protocol with JSON, as the e2b package does.',
    );
  }

  #roomOf({ tenant }: ApiKey): Room {
    const room = this.#rooms.get(tenant) ?? new Room();
    this.#rooms.set(tenant, room);
    return room;
  }

  #told(error: unknown): Failure {
    const failure = failureOf(error);
    if (failure !== null) return failure;
    this.#options.log.error({ err: error }, 'e2b request failed');
    return { code: 'internal', message: 'Cannot answer: an internal failure, logged by the daemon', status: 500 };
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    // An answer that has begun can only be cut off.
    if (response.headersSent) return void response.destroy();
    const { code, message, status } = this.#told(error);
    if (status === 401 || (status === 403 && request.headers.origin !== undefined))
      this.#options.onRefused({
        code: status === 401 ? 'UNAUTHENTICATED' : 'FORBIDDEN',
        message,
        address: request.socket.remoteAddress,
        url: request.url,
      });
    // The rest of a body would stand in the way of the answer; whoever has shown no key is not listened to.
    if (!request.complete && status !== 401) request.resume();
    const closing = request.complete || status !== 401 ? {} : { connection: 'close' };
    // A stream tells its failure at its end, whatever it is; of another status clients would see nothing but the number.
    if (contentTypeOf(request) === STREAM_TYPE) {
      response.writeHead(200, { 'content-type': STREAM_TYPE, ...closing });
      return void response.end(endFrame({ code, message }));
    }
    // E2B's API has the status in `code`, the calls to sandboxes have Connect's.
    sendJson(response, status, { code: isApiPath(request.url ?? '/') ? status : code, message }, closing);
  }
}

const contentTypeOf = ({ headers }: IncomingMessage): string => (headers['content-type'] ?? '').split(';', 1)[0] ?? '';

const isApiPath = (url: string): boolean => !/^\/[^/?]*\./.test(url);
