// Connects to addresses that were judged, literally, and to nothing else. Owns the attempt; the judge has spoken before.

import { connect, type Socket } from 'node:net';
import { parseAddress } from '../policy/host-name.ts';

/** Resolves once connected; rejects otherwise. Tests watch every dial through it. */
export type Connect = (address: string, port: number, signal: AbortSignal) => Promise<Socket>;

const MAX_TRIED = 4;

/** null: none of them answers. */
export async function dial(
  addresses: readonly string[],
  port: number,
  options: { readonly connect: Connect; readonly timeoutMs: number },
): Promise<Socket | null> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  for (const address of addresses.slice(0, MAX_TRIED)) {
    try {
      const socket = await options.connect(address, port, signal);
      // Whatever happened between the judgement and here: the peer is the one that was judged, or nobody.
      if (parseAddress(socket.remoteAddress ?? '')?.text === parseAddress(address)?.text) return socket;
      socket.destroy();
    } catch {
      // The next one may answer; that none did is the caller's news.
    }
  }
  return null;
}

export const connectSocket: Connect = (address, port, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, autoSelectFamily: false, allowHalfOpen: true, noDelay: true });
    const abort = () => socket.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', reject);
      // Errors from here on show as a close.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
