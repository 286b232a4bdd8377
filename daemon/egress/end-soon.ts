// Ends a connection to a client that may still be sending, so that the last answer reaches it. What it sends is not read as
// anything.

import type { Socket } from 'node:net';

const LINGER_MS = 2_000;

export function endSoon(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
