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
  onForgotten: () => void;
}

/** How long a client may resume after its connection is lost. */
export const RESUME_MS = 600_000;
const MAX_CLIENTS = 20_000;
/** Of one tenant, so that none can take every place. */
const MAX_PER_TENANT = 2000;

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
      if (!isSamePrincipal(known.principal, principal)) {
        throw new SandboxError('UNAUTHENTICATED', 'Cannot resume: the clientId belongs to another principal', {
          hint: 'Connect with a fresh clientId.',
        });
      }
      known.disconnect?.();
      known.cancelGrace?.();
      known.cancelForget?.();
      known.cancelGrace = known.cancelForget = null;
      known.disconnect = disconnect;
      known.disconnectGraceMs = disconnectGraceMs;
      return known;
    }
    this.#makeRoom(principal);
    const entry: Entry = {
      id,
      principal,
      disconnectGraceMs,
      disconnect,
      foreground: new Set(),
      cancelGrace: null,
      cancelForget: null,
      onForgotten: () => undefined,
    };
    this.#clients.set(id, entry);
    return entry;
  }

  /** The connection ended; `disconnect` tells a replaced connection from the present one. */
  disconnected(id: string, disconnect: () => void, onForgotten: () => void): boolean {
    const entry = this.#clients.get(id);
    if (entry === undefined || entry.disconnect !== disconnect) return false;
    entry.disconnect = null;
    entry.onForgotten = onForgotten;
    // Last in line: the first one that is away is the one that has been away longest.
    this.#clients.delete(id);
    this.#clients.set(id, entry);
    entry.cancelGrace = this.#clock.after(entry.disconnectGraceMs, () => abandonAll(entry));
    entry.cancelForget = this.#clock.after(RESUME_MS, () => this.#forget(entry));
    return true;
  }

  /** A tenant at its limit gives up its own client that has been away longest; one with all of them connected gets no more. */
  #makeRoom(principal: Principal): void {
    const own = [...this.#clients.values()].filter((entry) => entry.principal.tenant === principal.tenant);
    if (own.length < MAX_PER_TENANT && this.#clients.size < MAX_CLIENTS) return;
    const away = own.find((entry) => entry.disconnect === null);
    if (away === undefined) throw new SandboxError('CAPACITY', 'Cannot connect: too many clients', { retryAfterMs: 10_000 });
    away.cancelGrace?.();
    away.cancelForget?.();
    abandonAll(away);
    this.#forget(away);
  }

  #forget(entry: Entry): void {
    this.#clients.delete(entry.id);
    entry.onForgotten();
  }
}

function abandonAll(entry: Entry): void {
  for (const abandon of entry.foreground) abandon();
  entry.foreground.clear();
}

/** A renewed token of the same reach is the same principal. */
function isSamePrincipal(a: Principal, b: Principal): boolean {
  return a.tenant === b.tenant && a.role === b.role && a.session === b.session && a.isReadOnly === b.isReadOnly;
}
