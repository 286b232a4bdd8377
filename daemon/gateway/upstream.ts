// One WebSocket to another member of the fleet, for one client's connection and in its name: its token, its greeting, its messages as
// they are. Owns the socket and its silence; what goes over it is routed-socket.ts's business.

import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { SandboxError } from '../../client/protocol/errors.ts';
import { MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../../client/protocol/frames.ts';
import { ResponseEnvelope } from '../../client/protocol/requests.ts';
import type { MemberRecord } from '../fleet/placement-store.ts';
import type { Clock } from '../observe/clock.ts';
import { MEMBER_HEADER } from './member-header.ts';
import { OneWrite } from './one-write.ts';

const DIAL_MS = 2000;
/** The owner is heard every 15 s whatever else it sends; three missed are silence. */
const SILENCE_MS = 50_000;
const HEARTBEAT = '{"event":"heartbeat"}';

export interface UpstreamOptions {
  readonly member: MemberRecord;
  readonly self: string;
  readonly token: string;
  /** The client's own greeting, word by word, and its id. */
  readonly hello: { readonly id: number; readonly text: string };
  readonly clock: Clock;
  readonly onMessage: (upstream: Upstream, data: Buffer, isBinary: boolean) => void;
  /** Once, after it was open; not if this side ended it. */
  readonly onLost: (upstream: Upstream, code: number, reason: string) => void;
}

export class Upstream {
  readonly member: MemberRecord;
  readonly #options: UpstreamOptions;
  readonly #socket: WebSocket;
  /** A request and the data after it. */
  readonly #oneWrite: OneWrite;
  readonly #lost = new AbortController();
  #isEnded = false;
  #cancelWatch: () => void = () => undefined;
  #lastHeardMs: number;

  private constructor(options: UpstreamOptions, socket: WebSocket, stream: Socket | null) {
    this.member = options.member;
    this.#options = options;
    this.#socket = socket;
    this.#oneWrite = new OneWrite(stream);
    this.#lastHeardMs = options.clock.now();
  }

  /** Open and introduced. Rejects with what that member says to the token, or OWNER_UNAVAILABLE. */
  static dial(options: UpstreamOptions): Promise<Upstream> {
    const { member, self, token, hello } = options;
    const address = new URL('/v1/ws', member.url.replace(/^http/, 'ws'));
    let stream: Socket | null = null;
    const plain = (): Socket => (stream = connect({ host: address.hostname.replace(/^\[|\]$/g, ''), port: Number(address.port || 80) }));
    const socket = new WebSocket(address, SUBPROTOCOL, {
      headers: { authorization: `Bearer ${token}`, [MEMBER_HEADER]: self },
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: DIAL_MS,
      ...(address.protocol === 'ws:' ? { createConnection: plain } : {}),
    });
    return new Promise((resolve, reject) => {
      const fail = (error: SandboxError): void => {
        reject(error);
        socket.terminate();
      };
      const cancel = options.clock.after(2 * DIAL_MS, () => fail(unreachable(member, 'it does not introduce itself')));
      socket.on('error', (cause) => fail(unreachable(member, cause.message)));
      socket.on('unexpected-response', (_request, { statusCode = 0 }) => fail(refusal(member, statusCode)));
      socket.once('close', () => fail(unreachable(member, 'it closed the connection')));
      socket.once('open', () => socket.send(hello.text));
      socket.once('message', (data: Buffer) => {
        cancel();
        const answer = answerOf(data.toString());
        if (answer?.id !== hello.id) return fail(unreachable(member, 'it does not answer the greeting'));
        if ('error' in answer) return fail(new SandboxError(answer.error.code, answer.error.message, answer.error));
        const upstream = new Upstream(options, socket, stream);
        upstream.#listen();
        resolve(upstream);
      });
    });
  }

  /** Aborted when nothing comes from there any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  send(data: Buffer, isBinary: boolean, onSent: () => void): void {
    this.#oneWrite.begin();
    this.#socket.send(data, { binary: isBinary }, onSent);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    // Not heard because not listened to.
    this.#lastHeardMs = this.#options.clock.now();
    this.#socket.resume();
  }

  /** The client is gone, or has no more business there. */
  end(): void {
    this.#isEnded = true;
    this.#cancelWatch();
    this.#socket.close(1000);
    this.#options.clock.after(DIAL_MS, () => this.#socket.terminate());
  }

  #listen(): void {
    const { clock, onMessage, onLost } = this.#options;
    this.#socket.on('message', (data: Buffer, isBinary) => {
      this.#lastHeardMs = clock.now();
      if (isBinary || data.byteLength !== HEARTBEAT.length || data.toString() !== HEARTBEAT) onMessage(this, data, isBinary);
    });
    this.#socket.on('close', (code, reason) => {
      this.#cancelWatch();
      this.#lost.abort();
      if (!this.#isEnded) onLost(this, code, reason.toString());
      this.#isEnded = true;
    });
    this.#watch();
  }

  #watch(): void {
    this.#cancelWatch = this.#options.clock.after(SILENCE_MS / 5, () => {
      const isSilent = this.#options.clock.now() - this.#lastHeardMs > SILENCE_MS;
      if (isSilent && !this.#socket.isPaused) this.#socket.terminate();
      else this.#watch();
    });
  }
}

function answerOf(text: string): ResponseEnvelope | null {
  try {
    return ResponseEnvelope.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

const unreachable = (member: MemberRecord, why: string): SandboxError =>
  new SandboxError('OWNER_UNAVAILABLE', `Cannot reach member ${member.id} of the fleet: ${why}`, { retryAfterMs: 1000 });

/** What that member makes of the client's token is the client's to know. */
function refusal(member: MemberRecord, status: number): SandboxError {
  if (status !== 401) return unreachable(member, `it answered HTTP ${status}`);
  return new SandboxError(
    'UNAUTHENTICATED',
    'Cannot authenticate: the member of the fleet that owns the session does not accept the token',
  );
}
