// A world for tunnels that are opened: an https server that one authority vouches for, the daemon's own authority, and a
// client that trusts the latter through a proxy on loopback.

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { CertificateAuthority } from '../../daemon/egress/certificate-authority.ts';
import type { HeaderSecret } from '../../daemon/egress/messages.ts';
import { systemClock } from '../../daemon/observe/clock.ts';
import type { GrantedEgress } from '../../daemon/policy/egress-policy.ts';
import { egressHarness, type EgressHarness } from './egress-harness.ts';

export const VALUE = 'sk-live-0123456789';
export const PLACEHOLDER = 'cloister-secret-AAAABBBBCCCCDDDD';

const answerOk: RequestListener = (request, response) => {
  request.resume().on('end', () => response.end('ok'));
};

export interface OpenedWorld extends AsyncDisposable {
  readonly directory: string;
  /** Vouches for the server, as `api.test`. */
  readonly servers: CertificateAuthority;
  /** The daemon's own, in `daemon.pem` of the directory. */
  readonly daemon: CertificateAuthority;
  readonly port: number;
  readonly seen: IncomingMessage[];
  /** How the server answers until the next reset. */
  listener: RequestListener;
  reset(): void;
  harness(options?: { policy?: Partial<GrantedEgress>; secrets?: readonly HeaderSecret[]; roots?: string }): Promise<EgressHarness>;
  /** A tunnel with TLS in it, under the daemon's authority unless another is given. */
  secure(on: EgressHarness, options?: { host?: string; authority?: string }): Promise<TLSSocket>;
  /** Sends through one, and reads to the end. */
  ask(on: EgressHarness, text: string): Promise<string>;
  request(line: string, ...fields: string[]): string;
  /** The last one of its connection. */
  get(path: string, ...fields: string[]): string;
}

export async function startOpenedWorld(): Promise<OpenedWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'cl-opened-'));
  const servers = await CertificateAuthority.open(join(directory, 'servers.pem'), systemClock);
  const daemon = await CertificateAuthority.open(join(directory, 'daemon.pem'), systemClock);
  const { key, certificates } = await servers.leaf('api.test');
  const server = createServer({ key, cert: certificates, ALPNProtocols: ['http/1.1'] }, (request, response) => {
    world.seen.push(request);
    world.listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const request = (line: string, ...fields: string[]): string =>
    `${line} HTTP/1.1\r\nHost: api.test:${port}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
  const secure: OpenedWorld['secure'] = async ({ proxy }, { host = 'api.test', authority = daemon.certificate } = {}) => {
    const socket = connectTcp(proxy, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
    const [said] = (await once(socket, 'data')) as [Buffer];
    if (!said.toString('latin1').includes(' 200 ')) throw new Error(`Cannot open a tunnel: ${said.toString('latin1')}`);
    const tls = connectTls({ socket, servername: host, ca: authority });
    await once(tls, 'secureConnect');
    return tls;
  };
  const world: OpenedWorld = {
    directory,
    servers,
    daemon,
    port,
    seen: [],
    listener: answerOk,
    reset() {
      world.seen.length = 0;
      world.listener = answerOk;
    },
    harness: (options = {}) =>
      egressHarness({
        policy: { allow: [`api.test:${port}`, `other.test:${port}`], ...options.policy },
        secrets: options.secrets ?? [{ name: 'KEY', placeholder: PLACEHOLDER, hosts: [`api.test:${port}`], value: VALUE }],
        roots: options.roots ?? servers.certificate,
        leaf: async (host) => {
          const leaf = await daemon.leaf(host);
          return createSecureContext({ key: leaf.key, cert: leaf.certificates });
        },
      }),
    secure,
    async ask(on, text) {
      const tls = await secure(on);
      let got = '';
      tls.on('data', (bytes: Buffer) => {
        got += bytes.toString('latin1');
      });
      tls.on('error', () => undefined);
      tls.write(text);
      await once(tls, 'close');
      return got;
    },
    request,
    get: (path, ...fields) => request(`GET ${path}`, 'Connection: close', ...fields),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true });
    },
  };
  return world;
}
