// What waits in the daemon's memory for a tenant: answers and output that its clients do not read, requests and uploads that its
// sandboxes do not take. Owns the limit over all of a tenant's connections; each bounds itself as well.

import type { WebSocket } from 'ws';
import type { Log } from '../observe/log.ts';
import type { IncomingStream } from './incoming-stream.ts';

/** Of one tenant. A connection that is read slowly holds some 4 MiB, so this is room for many of them. */
export const MAX_TENANT_BYTES = 128 * 1024 * 1024;
/** Bytes through all connections between two looks: so far a tenant may be above its limit unnoticed. */
const LOOK_EVERY_BYTES = 8 * 1024 * 1024;

export interface QueueingConnection {
  readonly principal: { readonly tenant: string | null };
  readonly queuedBytes: number;
  /** At once; what waited is given up. A client comes back and goes on. */
  cut(): void;
}

export interface TenantQueuesOptions {
  readonly connections: () => Iterable<QueueingConnection>;
  readonly log: Log;
}

export class TenantQueues {
  readonly #options: TenantQueuesOptions;
  #unseenBytes = 0;

  constructor(options: TenantQueuesOptions) {
    this.#options = options;
  }

  /** So many bytes came or are about to go. */
  passed(bytes: number): void {
    this.#unseenBytes += bytes;
    if (this.#unseenBytes < LOOK_EVERY_BYTES) return;
    this.#unseenBytes = 0;
    this.#look();
  }

  /** Where a tenant has too much, the connections go that hold most of it. */
  #look(): void {
    const byTenant = new Map<string | null, QueueingConnection[]>();
    for (const connection of this.#options.connections()) {
      const { tenant } = connection.principal;
      const own = byTenant.get(tenant);
      if (own === undefined) byTenant.set(tenant, [connection]);
      else own.push(connection);
    }
    for (const [tenant, own] of byTenant) {
      let total = own.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
      if (total <= MAX_TENANT_BYTES) continue;
      for (const connection of own.sort((a, b) => b.queuedBytes - a.queuedBytes)) {
        if (total <= MAX_TENANT_BYTES) break;
        this.#options.log.warn({ tenant, queuedBytes: connection.queuedBytes, total }, 'connection cut: its tenant leaves too much unread');
        total -= connection.queuedBytes;
        connection.cut();
      }
    }
  }
}

export function queuedBytesOf(socket: Pick<WebSocket, 'bufferedAmount'>, requestBytes: number, incoming: Iterable<IncomingStream>): number {
  let bytes = socket.bufferedAmount + requestBytes;
  for (const { keptBytes } of incoming) bytes += keptBytes;
  return bytes;
}
