// Audit of those who are not let in. They have shown no token, so how much they can write into the log is bounded.

import type { AuditEntry } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';

const WINDOW_MS = 60_000;
/** Records in one window; what is above is counted in the next one's first record. */
const MAX_PER_WINDOW = 60;

export class RefusalRecord {
  readonly #append: (entry: AuditEntry) => void;
  readonly #clock: Clock;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #count = 0;
  #omitted = 0;

  constructor(options: { readonly append: (entry: AuditEntry) => void; readonly clock: Clock }) {
    this.#append = options.append;
    this.#clock = options.clock;
  }

  add(refused: {
    readonly code: string;
    readonly message: string;
    readonly address: string | undefined;
    readonly url: string | undefined;
  }): void {
    const now = this.#clock.now();
    if (now - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > MAX_PER_WINDOW) {
      this.#omitted += 1;
      return;
    }
    // The path alone: a query may hold what its sender takes for a secret.
    const path = (refused.url ?? '').split('?', 1)[0]?.slice(0, 200) ?? '';
    const { code, message, address } = refused;
    this.#append({
      kind: 'denied',
      op: 'connect',
      code,
      message,
      address: address ?? null,
      path,
      ...(this.#omitted === 0 ? {} : { omittedBefore: this.#omitted }),
    });
    this.#omitted = 0;
  }
}
