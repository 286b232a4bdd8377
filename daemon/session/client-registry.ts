// Clients across connections: a client that vanishes may come back within its grace period, as the same client.
// Owns who is connected and what foreground work waits for them; knows nothing of sockets.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Principal } from '../auth/principal.ts';
import type { Clock } from '../observe/clock.ts';

/** Unlost work of one client: called once if the client stays away. */
export type AbandonWork = () => void;

export interface ClientState {
  readonly id: string;
  readonly principal: Principal;
  disconnectGraceMs: number;
  /** Ends the present connection because a newer one took its place; null while away. */
  disconnect: (() => void) | null;
  readonly foreground: Set<AbandonWork>;
}

interface Entry extends ClientState {
  cancelGrace: (() => void) | null;
  cancelForget: (() => void) | null;
}

/** How long a client may resume after its connection is lost. */
export const RESUME_MS = 600_000;
const MAX_CLIENTS = 20_000;

export class ClientRegistry {
  readonly #clients = new Map<string, Entry>();
  readonly #clock: Clock;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** A connection said hello. The same id by another principal is refused as if the id were wrong. */
  connected(id: string, principal: Principal, disconnectGraceMs: number, disconnect: () => void): ClientState {
    const known = this.#clients.get(id);
    if (known !== undefined) {
      if (known.principal.tenant !== principal.tenant || known.principal.role !== principal.role) {
        throw new SandboxError('UNAUTHENTICATED', 'Cannot resume: the clientId belongs to another principal', { hint: 'Connect with a fresh clientId.' });
      }
      known.disconnect?.();
      known.cancelGrace?.();
      known.cancelForget?.();
      known.cancelGrace = known.cancelForget = null;
      known.disconnect = disconnect;
      known.disconnectGraceMs = disconnectGraceMs;
      return known;
    }
    if (this.#clients.size >= MAX_CLIENTS) throw new SandboxError('CAPACITY', 'Cannot connect: too many clients', { retryAfterMs: 10_000 });
    const entry: Entry = { id, principal, disconnectGraceMs, disconnect, foreground: new Set(), cancelGrace: null, cancelForget: null };
    this.#clients.set(id, entry);
    return entry;
  }

  /** The connection ended; `disconnect` tells a replaced connection from the present one. */
  disconnected(id: string, disconnect: () => void, onForgotten: () => void): boolean {
    const entry = this.#clients.get(id);
    if (entry === undefined || entry.disconnect !== disconnect) return false;
    entry.disconnect = null;
    entry.cancelGrace = this.#clock.after(entry.disconnectGraceMs, () => {
      for (const abandon of entry.foreground) abandon();
      entry.foreground.clear();
    });
    entry.cancelForget = this.#clock.after(RESUME_MS, () => {
      this.#clients.delete(id);
      onForgotten();
    });
    return true;
  }
}
