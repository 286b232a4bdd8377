// One socket of the test peer: requests dispatched, streams with credit, cuts counted.

import type { WebSocket } from 'ws';
import {
  decodeFrame,
  encodeFrame,
  FLAG_EOF,
  FLAG_STDERR,
  FRAME_KIND,
  INITIAL_WINDOW,
  MAX_PAYLOAD_BYTES,
  OPERATIONS,
  PROTOCOL_VERSION,
  RequestEnvelope,
  SandboxError,
  type BinaryFrame,
  type ExecResult,
  type OpenResult,
  type Operation,
  type ParsedParams,
  type SandboxInfo,
} from '../../client/protocol/index.ts';
import type { PeerExec } from './peer-exec.ts';
import type { PeerFiles } from './peer-files.ts';

interface Stream {
  credit: number;
  sent: number;
  isStopped: boolean;
  pump: () => void;
  /** Looks whether the request has its answer. */
  check?: () => void;
  receive: (frame: BinaryFrame) => void;
}

/** The peer behind the connections. */
export interface PeerHost {
  readonly options: { readonly heartbeatMs?: number; readonly keepBytes?: number };
  readonly operations: string[];
  readonly sandboxes: ReadonlyMap<string, PeerSandbox>;
  /** Counts one message; true: the connection is to be cut now. */
  countMessage(): boolean;
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
  readonly #streams = new Map<number, Stream>();

  constructor(peer: PeerHost, socket: WebSocket) {
    this.#peer = peer;
    this.socket = socket;
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
      for (const stream of this.#streams.values()) stream.isStopped = true;
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

  #sendFrame(kind: 1 | 2 | 3, flags: number, stream: number, offset: number, payload?: Uint8Array): void {
    if (this.socket.readyState !== 1 || this.#cutNow()) return;
    this.socket.send(encodeFrame(kind, flags, stream, offset, payload));
  }

  #onFrame(data: Buffer): void {
    const frame = decodeFrame(data);
    if (frame === null) return this.socket.close(1002);
    if (frame.kind === FRAME_KIND.credit) this.creditFrames += 1;
    if (frame.kind === FRAME_KIND.stop) this.stops.push(frame.stream);
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return undefined;
    if (frame.kind === FRAME_KIND.data) stream.receive(frame);
    else if (frame.kind === FRAME_KIND.credit) stream.credit = Math.max(stream.credit, frame.offset);
    else stream.isStopped = true;
    stream.pump();
    return undefined;
  }

  async #onRequest(text: string): Promise<void> {
    const { id, op, params } = RequestEnvelope.parse(JSON.parse(text));
    this.#peer.operations.push(op);
    try {
      const parsed = OPERATIONS[op].params.safeParse(params);
      if (!parsed.success) throw new SandboxError('INVALID_REQUEST', `Cannot call ${op}: ${parsed.error.message}`);
      this.sendText({ id, result: await this.#perform(op, parsed.data) });
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
      extend: ({ sandbox, ttlMs }) => ({
        ...this.#peer.info(this.#peer.sandbox(sandbox)),
        expiresAt: ttlMs === undefined ? null : new Date(Date.now() + ttlMs).toISOString(),
      }),
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
      'files.list': (list) => this.#files(list).list(list),
      'files.stat': (stat) => this.#files(stat).stat(stat.path, stat.followSymlink),
      'files.mkdir': (mkdir) =>
        this.#files(mkdir)
          .mkdir(mkdir)
          .then(() => ({})),
      'files.remove': (remove) =>
        this.#files(remove)
          .remove(remove)
          .then(() => ({})),
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
          .then(() => ({})),
      'files.readlink': async (readlink) => ({ target: await this.#files(readlink).readlink(readlink.path) }),
      'files.symlink': (symlink) =>
        this.#files(symlink)
          .symlink(symlink)
          .then(() => ({})),
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

  async #run(exec: PeerExec, id: number | undefined, from: number, yieldMs: number | undefined): Promise<ExecResult> {
    const stream = id === undefined ? undefined : this.#openOutput(exec, id, from);
    const isOver = () => exec.result !== undefined && (stream === undefined || stream.isStopped || stream.sent >= exec.endOffset);
    let isYielded = false;
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const check = () => {
        if (!isOver() && !isYielded) return;
        stopListening();
        clearTimeout(timer);
        resolve();
      };
      const stopListening = exec.onChange(check);
      if (stream !== undefined) stream.check = check;
      if (yieldMs !== undefined) {
        timer = setTimeout(() => {
          isYielded = true;
          check();
        }, yieldMs);
      }
      check();
    });
    if (stream !== undefined && !stream.isStopped) this.#sendFrame(FRAME_KIND.data, FLAG_EOF, id ?? 0, stream.sent);
    if (id !== undefined) this.#streams.delete(id);
    const isCut = isYielded && stream !== undefined && !stream.isStopped;
    return { ...exec.snapshot(), ...(isCut ? { nextOffset: stream.sent } : {}) };
  }

  #openOutput(exec: PeerExec, id: number, from: number): Stream {
    const stream: Stream = {
      credit: from + INITIAL_WINDOW,
      sent: from,
      isStopped: false,
      pump: () => {
        this.#pump(exec, id, stream);
        stream.check?.();
      },
      receive: (frame) => {
        const skip = exec.stdinReceived - frame.offset;
        if (exec.isStdinEnded || skip > frame.payload.byteLength) return;
        exec.writeStdin(Buffer.from(frame.payload.subarray(skip)), (frame.flags & FLAG_EOF) !== 0);
        this.#sendFrame(FRAME_KIND.credit, 0, id, exec.stdinReceived + INITIAL_WINDOW);
      },
    };
    this.#streams.set(id, stream);
    exec.onChange(stream.pump);
    stream.pump();
    return stream;
  }

  #pump(exec: PeerExec, id: number, stream: Stream): void {
    const firstKept = exec.endOffset - (this.#peer.options.keepBytes ?? Infinity);
    if (stream.sent < firstKept) {
      this.sendText({ event: 'stream.gap', stream: id, from: stream.sent, to: firstKept });
      stream.credit += firstKept - stream.sent;
      stream.sent = firstKept;
    }
    for (const part of exec.parts) {
      const end = part.offset + part.bytes.byteLength;
      while (!stream.isStopped && stream.sent < end && stream.sent < stream.credit) {
        const begin = stream.sent - part.offset;
        const size = Math.min(part.bytes.byteLength - begin, MAX_PAYLOAD_BYTES, stream.credit - stream.sent);
        const offset = stream.sent;
        stream.sent += size;
        this.#sendFrame(FRAME_KIND.data, part.isStderr ? FLAG_STDERR : 0, id, offset, part.bytes.subarray(begin, begin + size));
      }
    }
  }

  async #read(params: ParsedParams<'files.read'>): Promise<unknown> {
    const bytes = await this.#files(params).read(params);
    const stat = await this.#files(params).stat(params.path);
    await new Promise<void>((resolve) => {
      const stream: Stream = {
        credit: INITIAL_WINDOW,
        sent: 0,
        isStopped: false,
        receive: () => undefined,
        pump: () => {
          while (!stream.isStopped && stream.sent < bytes.byteLength && stream.sent < stream.credit) {
            const begin = stream.sent;
            stream.sent = Math.min(bytes.byteLength, begin + MAX_PAYLOAD_BYTES, stream.credit);
            this.#sendFrame(FRAME_KIND.data, 0, params.stream, begin, bytes.subarray(begin, stream.sent));
          }
          if (stream.isStopped || stream.sent >= bytes.byteLength) resolve();
        },
      };
      this.#streams.set(params.stream, stream);
      stream.pump();
    });
    this.#streams.delete(params.stream);
    return stat;
  }

  async #write(params: ParsedParams<'files.write'>): Promise<unknown> {
    const parts: Buffer[] = [];
    let received = 0;
    const isWhole = await new Promise<boolean>((resolve) => {
      this.#streams.set(params.stream, {
        credit: 0,
        sent: 0,
        isStopped: false,
        pump() {
          if (this.isStopped) resolve(false);
        },
        receive: (frame) => {
          if (frame.offset !== received) return this.socket.close(1002);
          received += frame.payload.byteLength;
          parts.push(Buffer.from(frame.payload));
          if ((frame.flags & FLAG_EOF) !== 0) resolve(true);
          else this.#sendFrame(FRAME_KIND.credit, 0, params.stream, received + INITIAL_WINDOW);
          return undefined;
        },
      });
    });
    this.#streams.delete(params.stream);
    if (!isWhole) throw new SandboxError('INVALID_REQUEST', `Cannot write ${params.path}: its data was given up`);
    return await this.#files(params).write(params, Buffer.concat(parts));
  }
}
