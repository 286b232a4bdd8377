// One socket of the test peer: requests dispatched, streams with credit, cuts counted.

import type { WebSocket } from 'ws';
import {
  decodeFrame,
  encodeFrame,
  FRAME_KIND,
  OPERATIONS,
  PROTOCOL_VERSION,
  RequestEnvelope,
  SandboxError,
  type EgressDecision,
  type ExecResult,
  type FrameKind,
  type OpenResult,
  type Operation,
  type ParsedParams,
  type SandboxInfo,
} from '../../client/protocol/index.ts';
import type { PeerExec } from './peer-exec.ts';
import type { PeerFiles } from './peer-files.ts';
import { PeerStreams } from './peer-streams.ts';
import { PEER_WORKSPACE } from './peer-workspace.ts';
import { peerText } from './peer-text.ts';

/** The peer behind the connections. */
export interface PeerHost {
  readonly options: { readonly heartbeatMs?: number; readonly keepBytes?: number };
  readonly operations: string[];
  readonly sandboxes: ReadonlyMap<string, PeerSandbox>;
  /** Counts one message; true: the connection is to be cut now. */
  countMessage(): boolean;
  /** What was asked is done, and the connection lost with its answer. */
  readonly losesAnswerOf: Operation | null;
  disconnected(connection: PeerConnection): void;
  open(request: ParsedParams<'open'>, clientId: string): Promise<OpenResult>;
  sandbox(id: string): PeerSandbox;
  info(sandbox: PeerSandbox): SandboxInfo;
  endSandbox(id: string): void;
  startExec(params: ParsedParams<'exec.start'>): PeerExec;
}

export interface PeerSandbox {
  readonly opened: OpenResult;
  readonly files: PeerFiles;
  readonly execs: Map<string, PeerExec>;
  readonly createdAt: Date;
  controller: string | undefined;
}

export class PeerConnection {
  readonly socket: WebSocket;
  clientId: string | undefined;
  /** Stops seen, by stream. */
  readonly stops: number[] = [];
  creditFrames = 0;
  /** Answers nothing and sends no heartbeat while true. */
  isMute = false;
  readonly #peer: PeerHost;
  readonly #streams: PeerStreams;

  constructor(peer: PeerHost, socket: WebSocket) {
    this.#peer = peer;
    this.socket = socket;
    this.#streams = new PeerStreams({
      frame: (kind, flags, stream, offset, payload) => this.#sendFrame(kind, flags, stream, offset, payload),
      event: (message) => this.sendText(message),
      violation: () => socket.close(1002),
    });
    const heartbeat = setInterval(() => {
      if (this.isMute) return;
      socket.ping();
      socket.send(JSON.stringify({ event: 'heartbeat' }));
    }, peer.options.heartbeatMs ?? 1000);
    socket.on('message', (data: Buffer, isBinary) => {
      if (this.isMute || this.#cutNow()) return;
      if (isBinary) this.#onFrame(data);
      else void this.#onRequest(data.toString());
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(heartbeat);
      peer.disconnected(this);
      this.#streams.close();
    });
  }

  sendText(message: object): void {
    if (this.isMute || this.socket.readyState !== 1 || this.#cutNow()) return;
    this.socket.send(JSON.stringify(message));
  }

  /** The message that reaches the count is lost with its connection. */
  #cutNow(): boolean {
    if (this.clientId === undefined || !this.#peer.countMessage()) return false;
    this.socket.terminate();
    return true;
  }

  #sendFrame(kind: FrameKind, flags: number, stream: number, offset: number, payload?: Uint8Array): void {
    if (this.socket.readyState !== 1 || this.#cutNow()) return;
    this.socket.send(encodeFrame(kind, flags, stream, offset, payload));
  }

  #onFrame(data: Buffer): void {
    const frame = decodeFrame(data);
    if (frame === null) return this.socket.close(1002);
    if (frame.kind === FRAME_KIND.credit) this.creditFrames += 1;
    if (frame.kind === FRAME_KIND.stop) this.stops.push(frame.stream);
    this.#streams.onFrame(frame);
    return undefined;
  }

  async #onRequest(text: string): Promise<void> {
    const { id, op, params } = RequestEnvelope.parse(JSON.parse(text));
    this.#peer.operations.push(op);
    try {
      const parsed = OPERATIONS[op].params.safeParse(params);
      if (!parsed.success) throw new SandboxError('INVALID_REQUEST', `Cannot call ${op}: ${parsed.error.message}`);
      const result = await this.#perform(op, parsed.data);
      if (this.#peer.losesAnswerOf === op) return this.socket.terminate();
      this.sendText({ id, result });
    } catch (error) {
      const { code, message, retry, hint } = error instanceof SandboxError ? error : new SandboxError('INTERNAL', String(error));
      this.sendText({ id, error: { code, message, retry, hint } });
    }
  }

  async #perform(op: Operation, params: unknown): Promise<unknown> {
    const handlers: { [O in Operation]: (params: ParsedParams<O>) => unknown } = {
      hello: ({ clientId }) => {
        this.clientId = clientId;
        return {
          protocol: PROTOCOL_VERSION,
          daemonVersion: '0.0.0',
          heartbeatMs: this.#peer.options.heartbeatMs ?? 1000,
          receiptKey: '',
          tenant: 'acme',
          role: 'tenant',
        };
      },
      open: (request) => this.#peer.open(request, this.clientId ?? ''),
      close: ({ sandbox }) => {
        this.#peer.sandbox(sandbox);
        this.#peer.endSandbox(sandbox);
        return {};
      },
      list: ({ tenant, state }) => ({
        sandboxes: [...this.#peer.sandboxes.values()]
          .map((sandbox) => this.#peer.info(sandbox))
          .filter((info) => (tenant === undefined || info.tenant === tenant) && (state === undefined || info.state === state)),
      }),
      'secrets.set': () => ({}),
      report: ({ inputTokens, outputTokens, costUsd }) => ({ reports: 1, inputTokens, outputTokens, costUsd }),
      extend: ({ sandbox, ttlMs }) => ({
        ...this.#peer.info(this.#peer.sandbox(sandbox)),
        expiresAt: ttlMs === undefined ? null : new Date(Date.now() + ttlMs).toISOString(),
      }),
      pause: ({ sandbox }) => ({ ...this.#peer.info(this.#peer.sandbox(sandbox)), state: 'paused' }),
      resume: ({ sandbox }) => this.#peer.info(this.#peer.sandbox(sandbox)),
      'exec.start': (start) => this.#run(this.#peer.startExec(start), start.stream, 0, start.yieldMs),
      'exec.attach': ({ sandbox, execId, stream, offset, yieldMs }) => this.#run(this.#exec(sandbox, execId), stream, offset, yieldMs),
      'exec.kill': ({ sandbox, execId, signal }) => {
        this.#exec(sandbox, execId).kill('killed', signal);
        return {};
      },
      'exec.resize': ({ sandbox, execId }) => {
        this.#exec(sandbox, execId);
        return {};
      },
      'exec.list': ({ sandbox }) => ({
        execs: [...this.#peer.sandbox(sandbox).execs.values()].map(({ params: start, result, startedAt }) => ({
          id: start.execId,
          command: start.command,
          state: result === undefined ? 'running' : 'ended',
          outcome: result?.outcome,
          startedAt: startedAt.toISOString(),
          background: start.background,
        })),
      }),
      'files.read': (read) => this.#read(read),
      'files.write': (write) => this.#write(write),
      'files.list': async (list) => {
        const listing = await this.#files(list).list(list);
        if (list.stream === undefined) return listing;
        await this.#streams.send(list.stream, Buffer.from(listing.entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
        return { ...listing, entries: [] };
      },
      'files.glob': notSearched,
      'files.grep': notSearched,
      'files.watch': notSearched,
      'files.stat': (stat) => this.#files(stat).stat(stat.path, stat.followSymlink),
      'files.mkdir': (mkdir) =>
        this.#files(mkdir)
          .mkdir(mkdir)
          .then(() => ({})),
      'files.remove': (remove) =>
        this.#files(remove)
          .remove(remove)
          .then(() => ({ removed: 1 })),
      'files.move': (move) =>
        this.#files(move)
          .move(move)
          .then(() => ({})),
      'files.copy': (copy) =>
        this.#files(copy)
          .copy(copy)
          .then(() => ({})),
      'files.chmod': (chmod) =>
        this.#files(chmod)
          .chmod(chmod)
          .then(() => ({ changed: 1, failed: 0 })),
      'files.readlink': async (readlink) => ({ target: await this.#files(readlink).readlink(readlink.path) }),
      'files.symlink': (symlink) =>
        this.#files(symlink)
          .symlink(symlink)
          .then(() => ({})),
      ...PEER_WORKSPACE,
      ...peerText((id) => this.#peer.sandbox(id).files),
      'confirm.answer': () => ({}),
      'confirm.list': () => ({ confirmations: [] }),
      'permissions.get': () => unanswered(),
      'permissions.explain': () => unanswered(),
      'config.get': () => unanswered(),
      'config.reload': () => unanswered(),
      'config.revert': () => unanswered(),
      'image.add': () => unanswered(),
      'image.list': () => ({ images: [] }),
      'image.remove': () => unanswered(),
      'egress.set': ({ policy: { mode = 'allowlist', allow = [], deny = [], ask = [] } }) => ({ mode, allow, deny, ask, policySha256: '' }),
      'egress.proposal': () => ({ allow: [], seen: [], omitted: 0 }),
      'policy.explain': ({ url }) => denied(url),
      'egress.explain': ({ url }) => denied(url),
      'ports.url': ({ sandbox, port, ttlMs }) => {
        this.#peer.sandbox(sandbox);
        return { url: `http://${port}-${sandbox.slice(3)}.localhost/`, expiresAt: new Date(Date.now() + ttlMs).toISOString() };
      },
    };
    return await (handlers[op] as (params: unknown) => unknown)(params);
  }

  #exec(sandbox: string, execId: string): PeerExec {
    const exec = this.#peer.sandbox(sandbox).execs.get(execId);
    if (exec === undefined) throw new SandboxError('EXEC_UNKNOWN', `Cannot find command ${execId}`);
    return exec;
  }

  #files({ sandbox }: { sandbox: string }) {
    return this.#peer.sandbox(sandbox).files;
  }

  #run(exec: PeerExec, stream: number | undefined, offset: number, yieldMs: number | undefined): Promise<ExecResult> {
    return this.#streams.run(exec, stream, offset, yieldMs, this.#peer.options.keepBytes ?? Infinity);
  }

  async #read(params: ParsedParams<'files.read'>): Promise<unknown> {
    const bytes = await this.#files(params).read(params);
    const stat = await this.#files(params).stat(params.path);
    await this.#streams.send(params.stream, bytes);
    return stat;
  }

  async #write(params: ParsedParams<'files.write'>): Promise<unknown> {
    const data = await this.#streams.receive(params.stream);
    if (data === null) throw new SandboxError('INVALID_REQUEST', `Cannot write ${params.path}: its data was given up`);
    return await this.#files(params).write(params, data);
  }
}

const denied = (host: string): EgressDecision => ({
  at: new Date(0).toISOString(),
  host,
  port: 443,
  verdict: 'deny',
  reason: 'notAllowed',
  rule: 'mode:allowlist',
  bytesUp: 0,
  bytesDown: 0,
  ms: 0,
});

function notSearched(): never {
  throw new SandboxError('INVALID_REQUEST', 'Cannot search: the peer has no file worker');
}

function unanswered(): never {
  throw new SandboxError('INTERNAL', 'Cannot answer: this peer has no policy');
}
