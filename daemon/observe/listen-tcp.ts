// Starts a server on an address of the configuration; what keeps it from that is told to the operator with the remedy.

import type { AddressInfo, Server } from 'node:net';
import { SandboxError } from '../../client/protocol/errors.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** What can't be done if it fails, with the address: `Cannot listen on ...`. */
  readonly failure: string;
  readonly hint: string;
}

/** Answers the port. INVALID_REQUEST for an address that can't be had. */
export async function listenTcp(server: Server, { host, port, failure, hint }: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is taken' : cause.message;
      reject(new SandboxError('INVALID_REQUEST', `${failure}: ${why}`, { cause, hint }));
    });
    server.listen(port, host.replace(/^\[|\]$/g, ''), resolve);
  });
  return (server.address() as AddressInfo).port;
}
