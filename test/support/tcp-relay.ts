// A relay between client and daemon whose connections can be cut at any moment.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpRelay extends AsyncDisposable {
  readonly url: string;
  /** As a page's origin, for the daemon to accept its Host header. */
  readonly origin: string;
  /** Where new connections lead. */
  leadTo(target: string): void;
  /** Cuts every connection there is; new ones are taken. Answers how many there were. */
  cut(): number;
}

export async function startTcpRelay(): Promise<TcpRelay> {
  let hostname = '';
  let port = '';
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((from) => {
    const to = connect(Number(port), hostname);
    const pair = [from, to] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [to, from] as const]) {
      one.on('error', () => undefined);
      one.on('close', () => {
        pairs.delete(pair);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): number => {
    const count = pairs.size;
    for (const pair of [...pairs]) for (const socket of pair) socket.resetAndDestroy();
    return count;
  };
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `ws://${address}`,
    origin: `http://${address}`,
    leadTo: (target) => {
      ({ hostname, port } = new URL(target));
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
