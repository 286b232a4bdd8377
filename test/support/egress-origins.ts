// Servers that stand for the internet: on addresses of the host's loopback that only the test's operator has opened.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createRawServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface TestOrigin extends AsyncDisposable {
  /** An address of the loopback that is this test's alone. */
  readonly address: string;
  /** Where its files lie; gone with it. */
  readonly directory: string;
  /** PEM of the authority that signed its certificate. */
  readonly authority: string;
  /** What reached it, over HTTP and HTTPS. */
  readonly seen: SeenRequest[];
  /** Connections it has had, on any of its ports. */
  readonly connections: () => number;
}

/** HTTP on 80, HTTPS on 443 and an echo on 2222, for the names. */
export async function startTestOrigin(options: {
  readonly address: string;
  readonly names: readonly string[];
  readonly listener?: RequestListener;
}): Promise<TestOrigin> {
  const { address, names } = options;
  const directory = await mkdtemp(join(tmpdir(), 'cl-origin-'));
  const { key, cert } = await certificate(directory, names);
  const seen: SeenRequest[] = [];
  let connections = 0;
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      seen.push({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString('latin1'),
      });
      if (options.listener === undefined) response.end(`hello from ${request.headers.host ?? ''}${request.url ?? ''}\n`);
      else options.listener(request, response);
    });
  };
  const echo = createRawServer((socket) => socket.on('error', () => undefined).pipe(socket));
  const servers: [Server, number][] = [
    [createServer(listener), 80],
    [createSecureServer({ key, cert }, listener), 443],
    [echo, 2222],
  ];
  for (const [server, port] of servers) {
    server.on('upgrade', (_request: IncomingMessage, socket: Socket) => {
      socket.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    server.on('connection', () => {
      connections += 1;
    });
    server.listen(port, address);
    await once(server, 'listening');
  }
  return {
    address,
    seen,
    directory,
    authority: cert,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const [server] of servers) {
        if ('closeAllConnections' in server) (server.closeAllConnections as () => void)();
        server.close();
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function certificate(directory: string, names: readonly string[]): Promise<{ readonly key: string; readonly cert: string }> {
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subjects = names.map((name) => `DNS:${name}`).join(',');
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=test origin',
    '-addext',
    `subjectAltName=${subjects}`,
    '-keyout',
    keyFile,
    '-out',
    certFile,
  ]);
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8') };
}
