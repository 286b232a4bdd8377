// How often what happens, counted from audit records as they are written, while somebody looks. Pure but for its counts.

export interface Counted {
  /** Sandboxes opened. */
  readonly opens: number;
  /** Commands started. */
  readonly commands: number;
  /** Refused by a rule, a missing confirmation or a right. */
  readonly denials: number;
  /** Connections and requests that went out. */
  readonly egressAllowed: number;
  readonly egressDenied: number;
}

type Counts = { -readonly [K in keyof Counted]: number };

export const NO_COUNTS: Counted = { opens: 0, commands: 0, denials: 0, egressAllowed: 0, egressDenied: 0 };

export class RateCounter {
  #counts: Counts = { ...NO_COUNTS };

  add(entry: Readonly<Record<string, unknown>>): void {
    const isDenied = entry['verdict'] === 'deny';
    switch (entry['kind']) {
      case 'sandbox.open':
        this.#counts.opens += 1;
        break;
      case 'exec.start':
        this.#counts.commands += 1;
        break;
      case 'decision':
        if (isDenied) this.#counts.denials += 1;
        break;
      case 'denied':
        this.#counts.denials += 1;
        break;
      case 'egress.decision':
        if (isDenied) this.#counts.egressDenied += 1;
        else this.#counts.egressAllowed += 1;
        break;
      default:
    }
  }

  /** What was counted since the last time. */
  take(): Counted {
    const counts = this.#counts;
    this.#counts = { ...NO_COUNTS };
    return counts;
  }
}
