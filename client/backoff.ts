// How long to wait before the next attempt to connect. Pure.

export interface Backoff {
  /** Milliseconds of the first wait, before jitter. */
  readonly minDelayMs: number;
  /** Milliseconds no wait exceeds. */
  readonly maxDelayMs: number;
}

/** Doubles with each attempt (0, 1, ...), half of it random, so that many clients don't come back at once. */
export function delayBefore(attempt: number, backoff: Backoff, random: () => number): number {
  const full = Math.min(backoff.maxDelayMs, backoff.minDelayMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (full / 2) * random();
}
