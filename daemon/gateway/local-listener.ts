// The gateway's second door: a unix socket beside the state, for programs on this host. The kernel's TCP stack costs a stream
// more than all else that is done with it. Owns the socket file; what comes in is served like what comes over TCP.

import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';

export class LocalListener {
  readonly #path: string;
  readonly #server: Server;
  readonly #accepted = new WeakSet<Socket>();

  constructor(path: string, accept: (socket: Socket) => void) {
    this.#path = path;
    this.#server = createServer((socket) => {
      this.#accepted.add(socket);
      accept(socket);
    });
  }

  async listen(): Promise<void> {
    // Of a daemon that was killed; the state directory's lock says that none lives.
    await rm(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
    await chmod(this.#path, 0o600);
  }

  /** It came in here and not over the network. */
  has(socket: Socket): boolean {
    return this.#accepted.has(socket);
  }

  /** Accepts no more; what is open stays. */
  close(): void {
    this.#server.close();
  }
}
