// The one source of time for everything that has a policy about it.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms`; the returned function cancels. Never keeps the process alive. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    // Longer delays than a timer can hold fire at once, so they are clamped; callers re-check the time.
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), 0x7fff_ffff));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
