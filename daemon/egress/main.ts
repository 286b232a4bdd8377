// The egress process: takes connections of sandboxes from the daemon, judges and carries them. Holds no rights: it drops
// root before the first byte of a tenant, and ends with the daemon. The daemon's word comes over IPC and from nowhere else.

import type { Socket } from 'node:net';
import { dropRights } from './drop-rights.ts';
import { EgressService } from './egress-service.ts';
import { type FromEgress, ToEgress } from './messages.ts';
import { Outbox } from './outbox.ts';

function run(): void {
  const outbox = new Outbox((messages) => {
    if (process.connected) process.send?.(messages, () => undefined);
  });
  const send = (message: FromEgress): void => outbox.tell(message);
  let service: EgressService | null = null;
  process.on('message', (raw: unknown, handle: unknown) => {
    const message = ToEgress.parse(raw);
    const socket = handle as Socket | undefined;
    if (message.t === 'configure') {
      const cause = dropRights(process, message.identity);
      if (cause === null) service = new EgressService(message, send, () => process.memoryUsage.rss());
      send(cause === null ? { t: 'ready' } : { t: 'refused', cause });
    } else if (service === null) socket?.destroy();
    else service.handle(message, socket);
  });
  process.on('disconnect', () => process.exit(0));
  // The terminal's and the supervisor's signals are the daemon's business; this process ends with its channel.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  send({ t: 'loaded' });
}

run();
