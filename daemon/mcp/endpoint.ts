// MCP over HTTP: its sessions, who owns each, and how long they last. Tokens, Host and Origin have been checked before; each
// session is a client of the daemon with the token of whoever began it, and has no right of its own.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { WebStandardStreamableHTTPServerTransport, isInitializeRequest } from '@modelcontextprotocol/server';
import { type Cloister, SandboxError } from '../../client/index.ts';
import type { Principal } from '../auth/principal.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import { createMcpSession, type McpSession } from './mcp-server.ts';
import { readMcpRequest, targetOf } from './http-request.ts';
import { openOptionsOf } from './open-options.ts';
import type { OnConfirm } from './session-sandbox.ts';

export interface McpEndpointOptions {
  /** A client of this daemon. */
  readonly connect: (token: string, onConfirm: OnConfirm | undefined) => Promise<Cloister>;
  /** At once; 0: there is no /mcp. */
  readonly maxSessions: number;
  /** Of them, one tenant's. */
  readonly maxOfTenant: number;
  /** Without a request and without a call under way. */
  readonly idleMs: number;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry extends McpSession {
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly principal: Principal;
  lastUsedMs: number;
  cancel: () => void;
}

export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #sessions = new Map<string, Entry>();

  constructor(options: McpEndpointOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  async answer(request: IncomingMessage, token: string, principal: Principal | null): Promise<Response> {
    if (this.#options.maxSessions === 0) throw new SandboxError('NOT_FOUND', 'Cannot find /mcp: it is switched off (mcp.maxSessions)');
    if (principal === null) throw new SandboxError('UNAUTHENTICATED', 'Cannot use /mcp: no token was sent');
    const { web, body } = await readMcpRequest(request);
    const id = web.headers.get('mcp-session-id');
    if (id !== null) {
      const entry = this.#sessions.get(id);
      // Another token's session does not exist for this one.
      if (entry === undefined || entry.principal.tokenId !== principal.tokenId) return rpcError(404, -32_001, 'Session not found');
      return await this.#handle(id, entry, web, body);
    }
    const messages = Array.isArray(body) ? body : [body];
    if (web.method !== 'POST' || !messages.some((message) => isInitializeRequest(message)))
      return rpcError(400, -32_000, 'Bad Request: begin with initialize, then send Mcp-Session-Id');
    return await this.#begin(web, body, token, principal);
  }

  /** The daemon stops: sandboxes are its own business. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.#end(id, 'leave')));
  }

  async #begin(web: Request, body: unknown, token: string, principal: Principal): Promise<Response> {
    const { clock, log, version, connect } = this.#options;
    const target = openOptionsOf(targetOf(web, principal));
    this.#assertRoom(principal);
    const id = randomBytes(24).toString('base64url');
    const session = createMcpSession({
      ...target,
      connect: (onConfirm) => connect(token, onConfirm),
      version,
      clock,
      onFailure: (tool, error) => log.error({ err: error, tool }, 'mcp tool failed'),
    });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      onsessionclosed: () => this.#end(id),
    });
    const entry: Entry = { ...session, transport, principal, lastUsedMs: clock.now(), cancel: () => undefined };
    this.#sessions.set(id, entry);
    try {
      await session.server.connect(transport);
      const response = await this.#handle(id, entry, web, body);
      // What was refused has begun nothing.
      if (!response.ok) await this.#end(id);
      else log.info({ tenant: principal.tenant, session: target.open.session, tokenId: principal.tokenId }, 'mcp session begun');
      return response;
    } catch (error) {
      await this.#end(id);
      throw error;
    }
  }

  async #handle(id: string, entry: Entry, web: Request, body: unknown): Promise<Response> {
    entry.lastUsedMs = this.#options.clock.now();
    this.#watch(id, entry);
    return await entry.transport.handleRequest(web, body === undefined ? {} : { parsedBody: body });
  }

  /** Ends it when it has been idle for long, and with its token in any case. */
  #watch(id: string, entry: Entry): void {
    const { clock, idleMs } = this.#options;
    entry.cancel();
    const { expiresAt } = entry.principal;
    const idleAt = entry.lastUsedMs + idleMs;
    entry.cancel = clock.after(Math.min(idleAt, expiresAt) - clock.now(), () => {
      const now = clock.now();
      if (now < expiresAt && entry.calls.size > 0) entry.lastUsedMs = now;
      if (now >= expiresAt || now >= entry.lastUsedMs + idleMs) void this.#end(id);
      else this.#watch(id, entry);
    });
  }

  #assertRoom({ tenant }: Principal): void {
    const { maxSessions, maxOfTenant } = this.#options;
    const ofTenant = [...this.#sessions.values()].filter(({ principal }) => principal.tenant === tenant).length;
    if (this.#sessions.size >= maxSessions || ofTenant >= maxOfTenant)
      throw new SandboxError(
        'CAPACITY',
        `Cannot begin an MCP session: ${ofTenant >= maxOfTenant ? 'the tenant has' : 'there are'} too many`,
        {
          hint: 'End sessions with DELETE, or wait until idle ones have ended.',
        },
      );
  }

  async #end(id: string, atEnd?: 'leave'): Promise<void> {
    const entry = this.#sessions.get(id);
    if (entry === undefined) return;
    this.#sessions.delete(id);
    entry.cancel();
    try {
      await entry.sandbox.end(atEnd);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'sandbox of an mcp session not closed');
    }
    await entry.server.close();
  }
}

const rpcError = (status: number, code: number, message: string): Response =>
  Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
