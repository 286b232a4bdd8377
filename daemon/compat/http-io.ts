// Bodies in and out of the endpoint's listener: JSON within a bound and a time.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Room } from './room.ts';

/** A body of JSON comes at once or not at all. */
const BODY_MS = 30_000;

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  if (status === 204) return void response.writeHead(204).end();
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(JSON.stringify(body));
}

/** The body as it comes. Who stops reading early has not ended the connection, which the answer still needs. */
export const partsOf = (request: IncomingMessage): AsyncIterable<Buffer> =>
  request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

/** Empty: an empty object. */
export async function readJson(request: IncomingMessage, maxBytes: number, room: Room): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const late = setTimeout(() => request.destroy(), BODY_MS);
  try {
    for await (const part of room.keep(partsOf(request))) {
      bytes += part.length;
      if (bytes > maxBytes) throw new SandboxError('TOO_LARGE', `Cannot read the request: its body has more than ${maxBytes} bytes`);
      parts.push(part);
    }
  } finally {
    clearTimeout(late);
  }
  const text = Buffer.concat(parts, bytes).toString('utf8').trim();
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown);
  } catch {
    throw new SandboxError('INVALID_REQUEST', 'Cannot read the request: its body is not JSON');
  }
}
