// Moves a request's body from the client to the server at the server's pace, and leaves what follows it on the stream.

import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { BodyReader } from './request-body.ts';

/** `broken`: it was malformed, cut off or over its budget, and both ends are of no further use. */
export function sendBody(
  client: Socket,
  outgoing: ClientRequest,
  reader: BodyReader,
  meter: (bytes: number) => boolean,
): Promise<'sent' | 'broken'> {
  return new Promise((resolve) => {
    let held: Buffer = Buffer.alloc(0);
    let isOver = false;
    const finish = (outcome: 'sent' | 'broken') => {
      if (isOver) return;
      isOver = true;
      client.pause();
      client.off('data', onData).off('end', onBroken).off('close', onBroken);
      outgoing.off('drain', onDrain).off('close', onBroken);
      if (outcome === 'broken') outgoing.destroy();
      else {
        if (held.length > 0) client.unshift(held);
        outgoing.end();
      }
      resolve(outcome);
    };
    const advance = () => {
      for (;;) {
        const step = reader.step(held);
        if (step.kind === 'more') return;
        if (step.kind === 'malformed') return finish('broken');
        held = held.subarray(step.used);
        if (step.kind === 'end') return finish('sent');
        if (step.data.length === 0) continue;
        if (!meter(step.data.length)) return finish('broken');
        if (!outgoing.write(step.data)) client.pause();
      }
    };
    const onData = (bytes: Buffer) => {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      advance();
    };
    const onDrain = () => client.resume();
    const onBroken = () => finish('broken');
    advance();
    if (isOver) return;
    client.on('data', onData).on('end', onBroken).on('close', onBroken);
    outgoing.on('drain', onDrain).on('close', onBroken);
    client.resume();
  });
}
