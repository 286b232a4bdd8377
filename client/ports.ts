// Ports of one sandbox: addresses under which a server in it is seen from outside. The daemon serves them.

import type { Connection } from './connection.ts';

export interface PortUrlOptions {
  /** Milliseconds for which the address lets someone in; 10 minutes unless given. A browser that came in stays for its session. */
  readonly ttlMs?: number | undefined;
}

/** What the ports of a sandbox need of it. */
interface PortsHost {
  readonly connection: Connection;
  readonly failure: Error | undefined;
}

export class SandboxPorts {
  readonly #host: PortsHost;
  readonly #sandbox: string;

  /** Made by Sandbox. */
  constructor(host: PortsHost, sandbox: string) {
    this.#host = host;
    this.#sandbox = sandbox;
  }

  /**
   * The address of a server on a port of the sandbox's loopback, for HTTP and WebSocket. Whoever has it may use the server
   * until it expires: a program by the address alone, a browser with a cookie of its own from then on. Programs may also
   * send a token of Cloister's as `Authorization: Bearer` to the address without its query.
   * @example
   *   const server = sandbox.exec('python3 -m http.server 3000', { background: true });
   *   const page = await fetch(await sandbox.ports.url(3000));
   */
  async url(port: number, options: PortUrlOptions = {}): Promise<string> {
    if (this.#host.failure !== undefined) throw this.#host.failure;
    const { url } = await this.#host.connection.call('ports.url', { sandbox: this.#sandbox, port, ttlMs: options.ttlMs });
    return url;
  }
}
