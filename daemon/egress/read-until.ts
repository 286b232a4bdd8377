// Reads from a socket until what came is enough to decide, and puts back what was not used. Bounds are the decider's.

import type { Socket } from 'node:net';

export interface Decided<T> {
  readonly value: T;
  /** Bytes taken off the stream; the rest is read by whoever comes next. */
  readonly used: number;
}

/** null: the peer ended first. `timeoutMs` null: as long as it takes. */
export function readUntil<T>(
  socket: Socket,
  decide: (bytes: Buffer) => Decided<T> | null,
  timeoutMs: number | null,
): Promise<T | 'timeout' | null> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    const finish = (result: T | 'timeout' | null, rest: Buffer) => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      if (rest.length > 0) socket.unshift(rest);
      resolve(result);
    };
    const onData = (bytes: Buffer) => {
      received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
      const decided = decide(received);
      if (decided !== null) finish(decided.value, received.subarray(decided.used));
    };
    const onEnd = () => finish(null, Buffer.alloc(0));
    const timer = timeoutMs === null ? undefined : setTimeout(() => finish('timeout', received), timeoutMs);
    socket.on('data', onData).on('end', onEnd).on('close', onEnd);
    if (socket.destroyed || socket.readableEnded) onEnd();
    else socket.resume();
  });
}
