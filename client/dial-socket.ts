// The socket below a WebSocket, TCP or unix. Reads into one large buffer that is used again and hands out copies: fewer and larger
// reads, and memory that the young generation's collector frees. What Node allocates for each read by itself counts as
// external memory, for which V8 marks the whole heap again and again while a stream goes through.

import { connect, type Socket } from 'node:net';

/** Largest read at once. */
const READ_BYTES = 256 * 1024;

export type SocketTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export function dialSocket(target: SocketTarget): Socket {
  const socket: Socket = connect({
    ...target,
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      // False pauses the socket until it is read again.
      callback: (bytes, buffer) => socket.push(Buffer.from(buffer.subarray(0, bytes))),
    },
  });
  return socket;
}
