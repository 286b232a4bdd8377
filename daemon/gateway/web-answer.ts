// Sends an answer that was made in the form of the web's own Response, as it is.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

export interface WebAnswer {
  readonly web: Response;
}

/** At the pace of the reader; its going cancels what makes the answer. */
export async function sendWeb(response: ServerResponse, { web }: WebAnswer): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(web.status, {
    'cache-control': 'no-store',
    ...Object.fromEntries(web.headers),
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  if (web.body === null) return void response.end();
  const reader = web.body.getReader();
  gone.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined), { once: true });
  for (let part = await reader.read(); !part.done && !gone.signal.aborted; part = await reader.read())
    if (!response.write(part.value)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  response.end();
}
