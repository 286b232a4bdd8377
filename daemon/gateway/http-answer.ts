// What a plain HTTP request is answered with: one JSON value, or lines as they come.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { WebAnswer } from './web-answer.ts';

interface HttpStream {
  readonly status: number;
  readonly contentType: string;
  readonly stream: (signal: AbortSignal) => AsyncIterable<string>;
}
interface HttpFile {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}
export type HttpAnswer = { readonly status: number; readonly body: unknown } | HttpFile | HttpStream | WebAnswer;

export function sendFile(response: ServerResponse, { status, headers, bytes }: HttpFile): void {
  response.writeHead(status, status === 304 ? headers : { ...headers, 'content-length': bytes.byteLength });
  response.end(bytes);
}

/** At the pace of the reader; its going ends the stream. */
export async function sendStream(response: ServerResponse, { status, contentType, stream }: HttpStream): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.flushHeaders();
  for await (const text of stream(gone.signal)) {
    if (gone.signal.aborted) break;
    if (!response.write(text)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  response.end();
}
