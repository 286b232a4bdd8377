// A client that speaks the wire protocol by hand, so that it can break it.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket, type RawData } from 'ws';
import { PROTOCOL_VERSION, SUBPROTOCOL, decodeFrame, type BinaryFrame } from '../../client/protocol/index.ts';

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

export interface RawOptions {
  readonly token?: string | undefined;
  readonly protocols?: readonly string[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly path?: string | undefined;
  readonly clientId?: string | undefined;
}

const textOf = (data: RawData): string => (data as Buffer).toString('utf8');

/** What an upgrade is refused with: HTTP status and body. Throws if it is accepted. */
export function refusedUpgrade(url: string, options: RawOptions): Promise<{ readonly status: number; readonly body: unknown }> {
  return new Promise((resolve, reject) => {
    const socket = dial(url, options);
    socket.on('error', () => undefined);
    socket.on('open', () => {
      socket.terminate();
      reject(new Error('the upgrade was accepted'));
    });
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
        socket.terminate();
      });
    });
  });
}

function dial(url: string, { token, protocols, headers, path }: RawOptions): WebSocket {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new WebSocket(`${url}${path ?? '/v1/ws'}`, [...(protocols ?? [SUBPROTOCOL])], {
    headers: { ...authorization, ...headers },
    perMessageDeflate: false,
  });
}

export class RawClient {
  readonly socket: WebSocket;
  /** The close code, once the daemon has closed. */
  readonly closed: Promise<number>;
  readonly frames: BinaryFrame[] = [];
  readonly events: unknown[] = [];
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = once(socket, 'close').then(([code]) => code as number);
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => {
      if (isBinary) {
        const frame = decodeFrame(data as Buffer);
        if (frame !== null) this.frames.push(frame);
        return;
      }
      const message = JSON.parse(textOf(data)) as Answer;
      if (message.id === undefined) this.events.push(message);
      else this.#waiting.get(message.id)?.(message);
    });
  }

  /** Connected, and nothing said. */
  static async connect(url: string, options: RawOptions): Promise<RawClient> {
    const socket = dial(url, options);
    const client = new RawClient(socket);
    await once(socket, 'open');
    return client;
  }

  /** Connected and introduced. */
  static async greet(url: string, options: RawOptions): Promise<RawClient> {
    const client = await RawClient.connect(url, options);
    const answer = await client.request('hello', {
      protocol: PROTOCOL_VERSION,
      clientId: options.clientId ?? randomBytes(24).toString('base64url'),
    });
    if (answer.error !== undefined) throw new Error(answer.error.message);
    return client;
  }

  request(op: string, params: unknown, extra: object = {}): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, op, params, ...extra }));
    return answer;
  }

  /** The error code of a request, or `no error`. */
  async codeOf(op: string, params: unknown, extra: object = {}): Promise<string> {
    return (await this.request(op, params, extra)).error?.code ?? 'no error';
  }

  send(message: string | Uint8Array): void {
    this.socket.send(message);
  }

  /** From here on whatever the daemon sends stays in the network. */
  stopReading(): void {
    this.socket.pause();
  }

  end(): void {
    this.socket.terminate();
  }
}
