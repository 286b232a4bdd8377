// The listener for port previews, an origin of its own per port and sandbox, apart from the console's and the API's.
// Owns who gets in, how many at once and for how long; passing the bytes on is the relay's.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { SandboxError } from '../../../client/protocol/errors.ts';
import type { SandboxId } from '../../../client/protocol/names.ts';
import type { Principal } from '../../auth/principal.ts';
import type { Clock } from '../../observe/clock.ts';
import { listenTcp } from '../../observe/listen-tcp.ts';
import type { Log } from '../../observe/log.ts';
import type { Session } from '../../session/session.ts';
import { MEMBER_HEADER } from '../member-header.ts';
import { authorityOf, hostOf, originOf, previewNames, type PreviewScheme, type PreviewTarget, targetOf } from './preview-address.ts';
import { forwardRequest, forwardUpgrade, type PreviewPlace } from './preview-forward.ts';
import { PREVIEW_COOKIE } from './preview-headers.ts';
import { type PreviewProblem, problemAnswer } from './preview-page.ts';
import { signPass } from './preview-pass.ts';
import { relayRequest, relayUpgrade, type RelayOptions } from './preview-relay.ts';
import {
  isForBrowser,
  isOpenedByPerson,
  TICKET_PARAMETER,
  type TrafficVisitor,
  type Visitor,
  visitorAtDoor,
  type VisitorRules,
  visitorOf,
} from './preview-visitor.ts';

const COOKIE_MS = 12 * 3_600_000;
const DIAL_MS = 10_000;
const MAX_CONNECTIONS = 4096;
/** Below what init serves at once, so that a browser never queues in front of it. */
const MAX_PER_SANDBOX = 48;

export interface PreviewServerOptions {
  readonly host: string;
  readonly port: number;
  readonly scheme: PreviewScheme;
  /** Whose subdomains reach this listener. */
  readonly domain: string;
  readonly key: Uint8Array;
  readonly verify: (token: string) => Promise<Principal>;
  readonly traffic?: TrafficVisitor | undefined;
  readonly find: (sandbox: SandboxId, principal: Principal) => Session;
  /** In a fleet: where the previews of a sandbox are that is another member's. */
  readonly elsewhere?: ((sandbox: SandboxId) => Promise<PreviewPlace | null>) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class PreviewServer {
  readonly #options: PreviewServerOptions;
  readonly #http: Server;
  /** Requests and WebSockets under way; at most MAX_CONNECTIONS entries. */
  readonly #visits = new Map<SandboxId, number>();
  readonly #cuts = new Set<() => void>();
  #rules: VisitorRules | null = null;

  constructor(options: PreviewServerOptions) {
    this.#options = options;
    // An upload may take as long as it takes: no requestTimeout.
    this.#http = createServer(
      { maxHeaderSize: 32 * 1024, headersTimeout: 10_000, requestTimeout: 0 },
      (request, response) => void this.#serve(request, response),
    );
    this.#http.maxConnections = MAX_CONNECTIONS;
    this.#http.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  async listen(): Promise<void> {
    const { host, port, scheme, domain, key, verify, traffic } = this.#options;
    const failure = `Cannot listen on ${host}:${port} for port previews`;
    await listenTcp(this.#http, { host, port, failure, hint: 'Choose another ports.listen (port 0 picks one).' });
    const names = previewNames(scheme, domain, { host, port: this.port });
    this.#rules = { key, names, verify, traffic, cookieName: scheme === 'https' ? `__Host-${PREVIEW_COOKIE}` : PREVIEW_COOKIE };
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** What the hosts of previews lie under, with the port where browsers need it. */
  get domain(): string {
    return authorityOf(this.#ready().names);
  }

  /** An address that lets its holder in until it expires. The session is one the principal may use. */
  urlFor(target: PreviewTarget, principal: Principal, ttlMs: number): { readonly url: string; readonly expiresAt: number } {
    const { key, names } = this.#ready();
    const expiresAt = Math.min(this.#options.clock.now() + ttlMs, principal.expiresAt);
    const ticket = signPass(key, { kind: 'ticket', target, principal, expiresAt });
    const [door] = names.doors;
    return { url: `${door === undefined ? originOf(names, target) : `http://${door}`}/?${TICKET_PARAMETER}=${ticket}`, expiresAt };
  }

  async close(): Promise<void> {
    for (const cut of this.#cuts) cut();
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { visitor, isAtDoor } = await this.#admit(request);
      if (isAtDoor && isForBrowser(request)) return this.#sendOn(response, visitor.target, request.url ?? '/');
      if (visitor.via === 'ticket' && isOpenedByPerson(request)) return this.#exchange(response, visitor);
      const cut = (): void => void response.destroy();
      if (await this.#isForwarded(request, visitor, cut, (to) => forwardRequest(request, response, to))) return;
      await this.#visit(request, visitor, isAtDoor, cut, (relay) => relayRequest(relay, response));
    } catch (error) {
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      const problem = this.#problemOf(error);
      const { headers, body } = problemAnswer(problem, request.headers.accept);
      response.writeHead(problem.status, headers).end(body);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket')
        throw new SandboxError('INVALID_REQUEST', 'Cannot change the protocol: only WebSocket passes through a preview');
      const { visitor, isAtDoor } = await this.#admit(request);
      const cut = (): void => void socket.destroy();
      if (await this.#isForwarded(request, visitor, cut, (to) => forwardUpgrade(request, socket, head, to))) return;
      await this.#visit(request, visitor, isAtDoor, cut, (relay) => relayUpgrade(relay, socket, head));
    } catch (error) {
      const problem = this.#problemOf(error);
      const { headers, body } = problemAnswer(problem, request.headers.accept);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      if (!socket.destroyed)
        socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nConnection: close\r\n${lines.join('')}\r\n${body}`);
    }
  }

  async #admit(request: IncomingMessage): Promise<{ readonly visitor: Visitor; readonly isAtDoor: boolean }> {
    const rules = this.#ready();
    const now = this.#options.clock.now();
    const [host = '', ...more] = request.rawHeaders.filter((_, n) => n % 2 === 1 && request.rawHeaders[n - 1]?.toLowerCase() === 'host');
    const target = targetOf(rules.names, host);
    const isAtDoor = rules.names.doors.includes(host.toLowerCase());
    if (more.length > 0 || (target === null && !isAtDoor)) {
      throw new Refusal(421, new SandboxError('INVALID_REQUEST', 'Cannot tell which preview is meant: the Host header names none'));
    }
    if (request.url?.startsWith('/') !== true) throw new SandboxError('INVALID_REQUEST', 'Cannot serve this: the address is not a path');
    return { visitor: target === null ? visitorAtDoor(rules, request, now) : await visitorOf(rules, request, target, now), isAtDoor };
  }

  /** True: it was another member's, and is over. */
  async #isForwarded(
    request: IncomingMessage,
    { target }: Visitor,
    cut: () => void,
    forward: (to: PreviewPlace) => Promise<void>,
  ): Promise<boolean> {
    const to = request.headers[MEMBER_HEADER] === undefined ? await this.#options.elsewhere?.(target.sandbox) : null;
    if (to === null || to === undefined) return false;
    this.#cuts.add(cut);
    await forward(to).finally(() => this.#cuts.delete(cut));
    return true;
  }

  /** From the door to the preview's own host, ticket and all. */
  #sendOn(response: ServerResponse, target: PreviewTarget, url: string): void {
    response
      .writeHead(307, {
        Location: `${originOf(this.#ready().names, target)}${url}`,
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
      })
      .end();
  }

  /** The first request of a person's browser: it gets a cookie for this host alone, and an address without the ticket. */
  #exchange(response: ServerResponse, { target, principal, path }: Visitor): void {
    const { key, names, cookieName } = this.#ready();
    const now = this.#options.clock.now();
    const expiresAt = Math.min(now + COOKIE_MS, principal.expiresAt);
    const cookie = signPass(key, { kind: 'cookie', target, principal, expiresAt });
    const secure = names.scheme === 'https' ? '; Secure' : '';
    response.writeHead(303, {
      Location: `${originOf(names, target)}${path}`,
      'Set-Cookie': `${cookieName}=${cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${Math.floor((expiresAt - now) / 1000)}${secure}`,
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
    });
    response.end();
  }

  async #visit(
    request: IncomingMessage,
    visitor: Visitor,
    isAtDoor: boolean,
    cut: () => void,
    relay: (options: RelayOptions) => Promise<void>,
  ): Promise<void> {
    const { clock, find } = this.#options;
    const { sandbox: id, port } = visitor.target;
    const session = find(id, visitor.principal);
    const count = this.#visits.get(id) ?? 0;
    if (count >= MAX_PER_SANDBOX) {
      throw new Refusal(
        503,
        new SandboxError('QUOTA_EXCEEDED', `Cannot connect to port ${port}: ${MAX_PER_SANDBOX} connections to this sandbox are open`),
      );
    }
    this.#visits.set(id, count + 1);
    this.#cuts.add(cut);
    const stopTimer = clock.after(visitor.expiresAt - clock.now(), cut);
    try {
      await session.use(async (sandbox) => {
        const server = await sandbox.dial(port, AbortSignal.timeout(DIAL_MS)).catch((cause: unknown) => {
          if (!SandboxError.is(cause, 'NOT_FOUND')) throw cause;
          throw new Refusal(
            502,
            new SandboxError('NOT_FOUND', `Cannot connect to port ${port} of session ${session.session}: nothing listens there`, {
              hint: `Start a server in the sandbox on 127.0.0.1:${port}, then reload.`,
            }),
          );
        });
        // What breaks is seen by whoever reads or writes; nobody does yet.
        server.on('error', () => server.destroy());
        await relay({ request, server, path: visitor.path, host: isAtDoor ? null : hostOf(this.#ready().names, visitor.target) });
      });
    } finally {
      stopTimer();
      this.#cuts.delete(cut);
      const left = (this.#visits.get(id) ?? 1) - 1;
      if (left === 0) this.#visits.delete(id);
      else this.#visits.set(id, left);
    }
  }

  #problemOf(error: unknown): PreviewProblem {
    if (error instanceof Refusal) return error;
    if (SandboxError.is(error, 'SANDBOX_FAILED')) return { status: 502, error };
    if (SandboxError.is(error)) return { status: error.httpStatus, error };
    this.#options.log.error({ err: error }, 'preview request failed');
    return { status: 500, error: new SandboxError('INTERNAL', 'Cannot show the preview: an internal failure, logged by the daemon') };
  }

  #ready(): VisitorRules {
    if (this.#rules === null) throw new SandboxError('SHUTTING_DOWN', 'Cannot use port previews: their listener is not open');
    return this.#rules;
  }
}

/** A SandboxError with a status other than its own. */
class Refusal extends Error {
  readonly status: number;
  readonly error: SandboxError;

  constructor(status: number, error: SandboxError) {
    super(error.message);
    this.status = status;
    this.error = error;
  }
}
