// The calls without an answer: those sent, by request id, and those that wait for a socket. Knows nothing of sockets.

import type { PendingCall, WireRequest } from './pending-call.ts';

export interface SentCall {
  readonly call: PendingCall;
  /** What was sent last for it. */
  readonly request: WireRequest;
  /** Belongs to the opening of its socket and dies with it. */
  readonly isFirst: boolean;
}

export class CallBook {
  readonly #sent = new Map<number, SentCall>();
  readonly #ids = new Map<PendingCall, number>();
  #unsent: PendingCall[] = [];

  get size(): number {
    return this.#sent.size + this.#unsent.length;
  }

  add(id: number, sent: SentCall): void {
    this.#sent.set(id, sent);
    this.#ids.set(sent.call, id);
  }

  queue(call: PendingCall): void {
    this.#unsent.push(call);
  }

  find(id: number): SentCall | undefined {
    return this.#sent.get(id);
  }

  forget(call: PendingCall): void {
    const id = this.#ids.get(call);
    if (id === undefined) return;
    this.#ids.delete(call);
    this.#sent.delete(id);
  }

  /** Removes and returns the sent calls that are picked, in their order. */
  takeSent(isPicked: (sent: SentCall) => boolean): PendingCall[] {
    const taken = [...this.#sent.values()].filter(isPicked).map(({ call }) => call);
    for (const call of taken) this.forget(call);
    return taken;
  }

  takeUnsent(isPicked: (call: PendingCall) => boolean): PendingCall[] {
    const taken = this.#unsent.filter(isPicked);
    this.#unsent = this.#unsent.filter((call) => !isPicked(call));
    return taken;
  }

  takeAll(): PendingCall[] {
    return [...this.takeSent(() => true), ...this.takeUnsent(() => true)];
  }
}
