// Callers that wait for a link to come up, each with its own time-out and signal.
// Owns their promises; the link owns the state they wait for.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';

const MAX_WAITERS = 4096;

export class LinkWaiters {
  readonly #waiting = new Set<(error: Error | null) => void>();

  wait(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= MAX_WAITERS)
      return Promise.reject(new SandboxError('QUOTA_EXCEEDED', 'Cannot wait for the sandbox: too many calls wait'));
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null): void => {
        this.#waiting.delete(settle);
        cancel();
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve();
        else reject(error);
      };
      const abort = (): void => settle(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
      const cancel = clock.after(timeoutMs, () => {
        settle(
          new SandboxError('SANDBOX_FAILED', `Cannot use the sandbox: cloister-init did not connect within ${timeoutMs} ms`, {
            retry: 'later',
          }),
        );
      });
      this.#waiting.add(settle);
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  succeed(): void {
    for (const settle of [...this.#waiting]) settle(null);
  }

  fail(error: Error): void {
    for (const settle of [...this.#waiting]) settle(error);
  }
}
