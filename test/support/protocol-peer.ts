// A daemon's side of the wire protocol for tests of the client: real frames over a real socket, processes and files of
// this host behind them, and knobs to lose connections at exact places. Knows the protocol, not the client.

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  SandboxError,
  SUBPROTOCOL,
  type OpenResult,
  type Operation,
  type ParsedParams,
  type SandboxInfo,
} from '../../client/protocol/index.ts';
import { PeerConnection, type PeerHost, type PeerSandbox } from './peer-connection.ts';
import { PeerExec, type Script } from './peer-exec.ts';
import { PeerFiles } from './peer-files.ts';
import { examplePolicy } from './peer-receipt.ts';

export interface PeerOptions {
  readonly token?: string;
  readonly heartbeatMs?: number;
  /** Command line -> output made without a process. */
  readonly scripts?: Readonly<Record<string, Script>>;
  /** Bytes of an execution's output that stay readable; the rest is a gap. */
  readonly keepBytes?: number;
}

export class ProtocolPeer implements PeerHost, AsyncDisposable {
  readonly token: string;
  readonly sandboxes = new Map<string, PeerSandbox>();
  readonly connections = new Set<PeerConnection>();
  /** Operations in the order they came, over all connections. */
  readonly operations: string[] = [];
  readonly options: PeerOptions;
  /** Messages in either direction until the next cut; Infinity: none. */
  messagesUntilCut = Infinity;
  /** Cuts after that one, each counted from the one before. */
  furtherCuts: number[] = [];
  losesAnswerOf: Operation | null = null;
  connectionsSeen = 0;
  readonly #server: WebSocketServer;
  readonly #root: string;

  private constructor(options: PeerOptions, server: WebSocketServer, root: string) {
    this.options = options;
    this.token = options.token ?? 'test-token';
    this.#server = server;
    this.#root = root;
    server.on('connection', (socket: WebSocket) => {
      this.connectionsSeen += 1;
      this.connections.add(new PeerConnection(this, socket));
    });
  }

  static async start(options: PeerOptions = {}): Promise<ProtocolPeer> {
    const root = await mkdtemp(join(tmpdir(), 'protocol-peer-'));
    const token = options.token ?? 'test-token';
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      path: '/v1/ws',
      perMessageDeflate: false,
      maxPayload: 1024 * 1024,
      handleProtocols: () => SUBPROTOCOL,
      verifyClient: ({ req }, done) => {
        const isKnown = req.headers.authorization === `Bearer ${token}`;
        done(
          isKnown,
          401,
          isKnown ? undefined : JSON.stringify({ code: 'UNAUTHENTICATED', message: 'Cannot connect: the token is unknown' }),
        );
      },
    });
    await new Promise((resolve) => server.once('listening', resolve));
    return new ProtocolPeer(options, server, root);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Counts one message; true: the connection is to be cut now. */
  countMessage(): boolean {
    this.messagesUntilCut -= 1;
    if (this.messagesUntilCut > 0) return false;
    this.messagesUntilCut = this.furtherCuts.shift() ?? Infinity;
    return true;
  }

  disconnected(connection: PeerConnection): void {
    this.connections.delete(connection);
  }

  cutAll(): void {
    for (const connection of this.connections) connection.socket.terminate();
  }

  closeAll(code: number): void {
    for (const connection of this.connections) connection.socket.close(code);
  }

  async open(request: ParsedParams<'open'>, clientId: string): Promise<OpenResult> {
    if (request.sandbox !== undefined && !this.sandboxes.has(request.sandbox))
      throw new SandboxError('SESSION_EXPIRED', `Cannot go on in sandbox ${request.sandbox}: it has ended`);
    for (const known of this.sandboxes.values()) {
      if (known.opened.session !== request.session) continue;
      if (request.role === 'controller') {
        if (known.controller !== undefined && known.controller !== clientId && !request.takeover) {
          throw new SandboxError('SESSION_BUSY', `Cannot control session ${request.session}: another connection holds it`);
        }
        const former = known.controller;
        known.controller = clientId;
        if (former !== undefined && former !== clientId) this.tell(former, { event: 'session.leaseLost', sandbox: known.opened.id });
      }
      return { ...known.opened, created: false, startKind: 'attached', role: request.role };
    }
    const id = `sb_${[...randomBytes(20)].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('')}`;
    const opened = examplePolicy(id, request);
    const files = new PeerFiles(await mkdtemp(join(this.#root, 'ws-')));
    this.sandboxes.set(id, {
      opened,
      files,
      execs: new Map(),
      createdAt: new Date(),
      controller: request.role === 'controller' ? clientId : undefined,
    });
    return opened;
  }

  sandbox(id: string): PeerSandbox {
    const sandbox = this.sandboxes.get(id);
    if (sandbox === undefined) throw new SandboxError('NOT_FOUND', `Cannot find sandbox ${id}: there is none of this id`);
    return sandbox;
  }

  info({ opened, execs, createdAt, controller }: PeerSandbox): SandboxInfo {
    return {
      id: opened.id,
      tenant: opened.tenant,
      session: opened.session,
      state: 'running',
      profile: opened.receipt.profile,
      image: 'base',
      runtime: 'runc',
      labels: {},
      limits: opened.limits,
      createdAt: createdAt.toISOString(),
      lastUsedAt: new Date().toISOString(),
      expiresAt: opened.expiresAt,
      execs: [...execs.values()].filter((exec) => exec.result === undefined).length,
      isControlled: controller !== undefined,
    };
  }

  endSandbox(id: string): void {
    for (const exec of this.sandboxes.get(id)?.execs.values() ?? []) exec.kill('killed');
    this.sandboxes.delete(id);
  }

  tell(clientId: string, event: object): void {
    for (const connection of this.connections) if (connection.clientId === clientId) connection.sendText(event);
  }

  startExec(params: ParsedParams<'exec.start'>): PeerExec {
    const { execs, files } = this.sandbox(params.sandbox);
    const known = execs.get(params.execId);
    if (known !== undefined) {
      if (JSON.stringify(known.params.command) === JSON.stringify(params.command)) return known;
      throw new SandboxError('INVALID_REQUEST', `Cannot start ${params.execId}: the id names another command`);
    }
    const name = typeof params.command === 'string' ? params.command : params.command.join(' ');
    const exec = new PeerExec(params, files.resolve(params.cwd ?? '.'), this.options.scripts?.[name]);
    execs.set(params.execId, exec);
    return exec;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.sandboxes.keys()]) this.endSandbox(id);
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#root, { recursive: true, force: true });
  }
}
