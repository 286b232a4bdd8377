// What the egress process has decided, in numbers for whoever shows them: a fixed set of counters, whatever sandboxes ask for.

import type { DecisionRecord } from './messages.ts';
import { isReason } from './verdict.ts';

export interface EgressCounts {
  /** Decisions by verdict and reason, `allow.allowed` for example. */
  readonly decisions: Readonly<Record<string, number>>;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Placeholders that were sent where they do not belong. */
  readonly alerts: number;
  /** Lives of the process after its first. */
  readonly restarts: number;
}

export class EgressCounters {
  readonly #decisions = new Map<string, number>();
  #bytesUp = 0;
  #bytesDown = 0;
  #alerts = 0;
  #restarts = 0;

  decided({ verdict, reason, bytesUp, bytesDown }: DecisionRecord): void {
    // The process reads what tenants send: what it says becomes no new name.
    const key = `${verdict}.${isReason(reason) ? reason : 'other'}`;
    this.#decisions.set(key, (this.#decisions.get(key) ?? 0) + 1);
    this.#bytesUp += bytesUp;
    this.#bytesDown += bytesDown;
    if (reason === 'secretMisdirected') this.#alerts += 1;
  }

  restarted(): void {
    this.#restarts += 1;
  }

  counts(): EgressCounts {
    return {
      decisions: Object.fromEntries(this.#decisions),
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
      alerts: this.#alerts,
      restarts: this.#restarts,
    };
  }
}
