// The two ends of TLS that is opened: towards the sandbox under a certificate of the daemon's authority, towards the server
// as a client that verifies. HTTP/1.1 on both. Owns handshakes and nothing that passes.

import type { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Host } from '../policy/host-name.ts';

const HANDSHAKE_MS = 10_000;
const PROTOCOLS = ['http/1.1'];

/** null: the client does not want it so. `client` belongs to the answer then. */
export function openTowardsSandbox(client: Socket, secureContext: SecureContext): Promise<TLSSocket | null> {
  const secure = new TLSSocket(client, { isServer: true, secureContext, ALPNProtocols: PROTOCOLS });
  // After the handshake Node reports what goes wrong under this name only.
  secure.on('_tlsError', () => secure.destroy());
  return settled(secure, 'secure');
}

export type ServerTls =
  | { readonly kind: 'open'; readonly socket: TLSSocket }
  | { readonly kind: 'untrusted' }
  | { readonly kind: 'failed' };

/** `socket` is connected to the address that was judged. */
export async function openTowardsServer(socket: Socket, host: Host, secureContext: SecureContext): Promise<ServerTls> {
  const secure = connect({
    socket,
    host: host.text,
    ...(host.kind === 'name' ? { servername: host.text } : {}),
    ALPNProtocols: PROTOCOLS,
    secureContext,
    rejectUnauthorized: true,
  });
  let isUntrusted = false;
  secure.once('error', (error: NodeJS.ErrnoException) => {
    isUntrusted = secure.authorizationError !== null || error.code === 'ERR_TLS_CERT_ALTNAME_INVALID';
  });
  const opened = await settled(secure, 'secureConnect');
  if (opened !== null) return { kind: 'open', socket: opened };
  return isUntrusted ? { kind: 'untrusted' } : { kind: 'failed' };
}

/** Costly for a bundle: made once for a process. */
export const contextOfRoots = (roots: string): SecureContext => createSecureContext({ ca: roots, minVersion: 'TLSv1.2' });

function settled(socket: TLSSocket, event: 'secure' | 'secureConnect'): Promise<TLSSocket | null> {
  return new Promise((resolve) => {
    const give = () => socket.destroy();
    const timer = setTimeout(give, HANDSHAKE_MS);
    const finish = (result: TLSSocket | null) => {
      clearTimeout(timer);
      socket.off('end', give);
      resolve(result);
    };
    socket.on('error', () => undefined);
    // Half-open is for bodies, not for handshakes.
    socket.once('end', give);
    socket.once(event, () => finish(socket));
    socket.once('close', () => finish(null));
  });
}
