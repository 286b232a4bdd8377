// /metrics on an address of its own, without a token, for a Prometheus that has none. Serves that and nothing else.

import { createServer, type Server } from 'node:http';
import { listenTcp } from '../observe/listen-tcp.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { METRICS_PATH } from './routes-metrics.ts';

const MAX_CONNECTIONS = 16;

interface MetricsListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Pick<Metrics, 'text' | 'registry'>;
  readonly log: Log;
}

export class MetricsListener {
  readonly #options: MetricsListenerOptions;
  readonly #server: Server;

  constructor(options: MetricsListenerOptions) {
    this.#options = options;
    this.#server = createServer({ maxHeaderSize: 8 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 }, (request, response) => {
      // Safe because: the operator chose the address for this; there is nothing but figures, and nothing changes anything.
      if ((request.method !== 'GET' && request.method !== 'HEAD') || request.url?.split('?', 1)[0] !== METRICS_PATH) {
        response.writeHead(404, { 'content-type': 'text/plain', connection: 'close' });
        response.end('Only GET /metrics is served here.\n');
        return;
      }
      options.metrics.text().then(
        (text) => {
          response.writeHead(200, {
            'content-type': options.metrics.registry.contentType,
            'cache-control': 'no-store',
            'x-content-type-options': 'nosniff',
          });
          response.end(request.method === 'HEAD' ? '' : text);
        },
        (error: unknown) => {
          options.log.error({ err: error }, 'metrics not gathered');
          response.writeHead(500).end();
        },
      );
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Answers where it listens. */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    const failure = `Cannot serve metrics on ${host}:${port}`;
    const picked = await listenTcp(this.#server, { host, port, failure, hint: 'Choose another telemetry.metricsListen.' });
    return `http://${host}:${picked}${METRICS_PATH}`;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
