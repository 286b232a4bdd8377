// Callers that wait for init's report on itself, answered in order.
// Owns the queue; what a report proves is judged elsewhere.

import { SandboxError } from '../../client/protocol/errors.ts';
import { decodeSelfReport } from './decode.ts';
import { LinkViolation } from './frames.ts';
import type { SelfReport } from './messages.ts';

const MAX_WAITING = 16;

export class SelfReports {
  readonly #waiting: { readonly resolve: (report: SelfReport) => void; readonly reject: (error: SandboxError) => void }[] = [];

  /** `ask` sends the question. */
  next(ask: () => void): Promise<SelfReport> {
    if (this.#waiting.length >= MAX_WAITING)
      return Promise.reject(new SandboxError('QUOTA_EXCEEDED', 'Cannot read the self report: too many wait for it'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      ask();
    });
  }

  answer(body: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new LinkViolation('a SELF_REPORT that nobody asked for');
    waiting.resolve(decodeSelfReport(body));
  }

  lost(reason: string): void {
    for (const waiting of this.#waiting.splice(0))
      waiting.reject(new SandboxError('SANDBOX_FAILED', `Cannot read the self report: ${reason}`, { retry: 'later' }));
  }
}
