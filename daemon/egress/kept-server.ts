// The server behind a client's connection, kept from one request to the next. Owns when it may be used again: towards the same
// host and port, and while it says nothing that nobody asked for. Whether a request may go there is judged each time.

import type { Socket } from 'node:net';
import type { HttpTarget } from './authority.ts';

export class KeptServer {
  #kept: { readonly socket: Socket; readonly key: string; readonly address: string } | null = null;

  /** Where a request for this target would go; null: to no server that is kept. */
  addressFor(target: HttpTarget): string | null {
    return this.#kept?.key === keyOf(target) ? this.#kept.address : null;
  }

  /** It belongs to whoever takes it; one for another target is ended. */
  take(target: HttpTarget): Socket | null {
    const kept = this.#kept;
    if (kept === null) return null;
    this.#kept = null;
    kept.socket.off('data', this.#ended).off('end', this.#ended).off('close', this.#ended);
    if (kept.key === keyOf(target) && !kept.socket.destroyed) return kept.socket;
    kept.socket.destroy();
    return null;
  }

  /** Its last answer is whole and it goes on; `target` is what that answered. */
  put(target: HttpTarget, socket: Socket): void {
    this.drop();
    if (socket.destroyed || socket.remoteAddress === undefined) return void socket.destroy();
    this.#kept = { socket, key: keyOf(target), address: socket.remoteAddress };
    // Bytes before the next request would be read as its answer.
    socket.on('data', this.#ended).on('end', this.#ended).on('close', this.#ended);
  }

  drop(): void {
    this.#kept?.socket.destroy();
    this.#kept = null;
  }

  readonly #ended = (): void => this.drop();
}

const keyOf = ({ via, host, port }: HttpTarget): string => `${via} ${host.text} ${port}`;
