// Certificates of hosts that are impersonated towards sandboxes, as the daemon gave them. Owns asking once and the bound;
// whether a host may be asked for is the daemon's decision.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { Leaf } from './messages.ts';

const MAX_LEAVES = 256;

interface Kept {
  readonly context: SecureContext;
  readonly untilMs: number;
}

export class LeafStore {
  readonly #ask: (sandbox: string, host: string) => Promise<Leaf | null>;
  readonly #now: () => number;
  /** By host, the least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #asking = new Map<string, Promise<SecureContext | null>>();

  constructor(options: { readonly ask: (sandbox: string, host: string) => Promise<Leaf | null>; readonly now: () => number }) {
    this.#ask = options.ask;
    this.#now = options.now;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** null: there is none to be had. */
  get(sandbox: string, host: string): Promise<SecureContext | null> {
    const kept = this.#kept.get(host);
    if (kept !== undefined && kept.untilMs > this.#now()) {
      this.#keep(host, kept);
      return Promise.resolve(kept.context);
    }
    // Which sandbox asks counts for whether there is an answer.
    const call = `${sandbox} ${host}`;
    const asking = this.#asking.get(call) ?? this.#fetch(sandbox, host).finally(() => this.#asking.delete(call));
    this.#asking.set(call, asking);
    return asking;
  }

  async #fetch(sandbox: string, host: string): Promise<SecureContext | null> {
    const leaf = await this.#ask(sandbox, host);
    if (leaf === null) return null;
    const context = createSecureContext({ key: leaf.key, cert: leaf.certificates, minVersion: 'TLSv1.2' });
    this.#keep(host, { context, untilMs: leaf.untilMs });
    return context;
  }

  #keep(host: string, kept: Kept): void {
    this.#kept.delete(host);
    this.#kept.set(host, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_LEAVES && oldest !== undefined) this.#kept.delete(oldest);
  }
}
