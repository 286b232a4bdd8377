// Passes a preview's request, or its WebSocket, on to the member of the fleet that has the sandbox: as it came, one hop and no further.
// Who may come in is decided here and there.

import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { MEMBER_HEADER } from '../member-header.ts';

const DIAL_MS = 2000;
/** Of one hop alone. */
const OWN = new Set(['connection', 'keep-alive', 'proxy-connection', 'expect', 'te', 'trailer']);

/** The preview listener of another member. */
export interface PreviewPlace {
  readonly host: string;
  readonly port: number;
}

/** Resolves when the response is out; rejects before its first byte if that member gives none. */
export async function forwardRequest(request: IncomingMessage, response: ServerResponse, to: PreviewPlace): Promise<void> {
  const upstream = httpRequest({
    ...to,
    agent: false,
    timeout: DIAL_MS,
    method: request.method,
    path: request.url,
    headers: [...withoutOwn(request.rawHeaders), MEMBER_HEADER, '1'],
  });
  const giveUp = (): void => void upstream.destroy();
  response.once('close', giveUp);
  // Of the dialling alone: what is served may take its time.
  upstream.once('timeout', () => {
    if (upstream.socket?.connecting !== false) upstream.destroy(new Error('it does not answer'));
  });
  try {
    request.pipe(upstream);
    const [answer] = (await once(upstream, 'response').catch(notReached)) as [IncomingMessage];
    response.writeHead(answer.statusCode ?? 502, withoutOwn(answer.rawHeaders));
    response.flushHeaders();
    await pipeline(answer, response);
  } finally {
    response.off('close', giveUp);
    upstream.destroy();
    request.unpipe();
  }
}

/** Resolves when the WebSocket is over; what is answered is that member's. */
export async function forwardUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, to: PreviewPlace): Promise<void> {
  const upstream = connect({ ...to, timeout: DIAL_MS });
  upstream.once('timeout', () => upstream.destroy(new Error('it does not answer')));
  await once(upstream, 'connect').catch(notReached);
  upstream.setTimeout(0);
  const raw = [...request.rawHeaders, MEMBER_HEADER, '1'];
  const lines = Array.from({ length: raw.length / 2 }, (_, n) => `${raw[2 * n]}: ${raw[2 * n + 1]}\r\n`);
  upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  upstream.write(head);
  await Promise.race([pipeline(socket, upstream), pipeline(upstream, socket)]).catch(() => undefined);
  upstream.destroy();
  socket.destroy();
}

function withoutOwn(raw: readonly string[]): string[] {
  return raw.filter((_, at) => !OWN.has(raw[at - (at % 2)]?.toLowerCase() ?? ''));
}

function notReached(cause: unknown): never {
  throw new SandboxError('OWNER_UNAVAILABLE', 'Cannot show the preview: the member of the fleet that has the sandbox does not answer', {
    cause,
  });
}
