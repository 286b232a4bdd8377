// Moves bytes between two sockets at the slower one's pace, with half-closes passed on. Owns neither limits nor verdicts.

import type { Socket } from 'node:net';

/** One direction; resolves when the source has ended or one of the two is gone. `meter` false: enough. */
export function pump(from: Socket, to: Socket, meter: (bytes: number) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const destroy = () => {
      from.destroy();
      to.destroy();
    };
    const onData = (bytes: Buffer) => {
      if (!meter(bytes.length)) return destroy();
      if (!to.write(bytes)) from.pause();
    };
    const onDrain = () => from.resume();
    const onEnd = () => {
      to.end();
      finish();
    };
    const onClose = () => {
      destroy();
      finish();
    };
    const finish = () => {
      from.off('data', onData).off('end', onEnd).off('close', onClose);
      to.off('drain', onDrain).off('close', onClose);
      resolve();
    };
    from.on('data', onData).on('end', onEnd).on('close', onClose);
    to.on('drain', onDrain).on('close', onClose);
    if (from.destroyed || to.destroyed) return onClose();
    if (from.readableEnded) return onEnd();
    from.resume();
  });
}
