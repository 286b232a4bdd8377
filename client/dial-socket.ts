// The socket below a WebSocket, TCP or unix. Reads into large blocks and hands out views of them, nothing is copied: fewer and
// larger reads, and little for the collector to do. What Node allocates for each read by itself counts as external memory,
// for which V8 marks the whole heap again and again while a stream goes through.

import { connect, type Socket } from 'node:net';

/** A block is filled by many small reads or a few large ones. Whoever keeps a view of it keeps all of it. */
const BLOCK_BYTES = 512 * 1024;
/** With less room a read would be small: a new block is begun. */
const MIN_READ_BYTES = 64 * 1024;

export type SocketTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export function dialSocket(target: SocketTarget): Socket {
  let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let used = 0;
  const socket: Socket = connect({
    ...target,
    onread: {
      // Asked for after every read.
      buffer: () => {
        if (BLOCK_BYTES - used < MIN_READ_BYTES) {
          block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
          used = 0;
        }
        return block.subarray(used);
      },
      // False pauses the socket until it is read again.
      callback: (bytes, room) => {
        used += bytes;
        return socket.push(room.subarray(0, bytes));
      },
    },
  });
  return socket;
}
