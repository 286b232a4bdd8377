// A set-up step that cannot be done: which one, why, and what the operator does about it.
import { SandboxError } from '../../client/protocol/errors.ts';

export type StepName = 'platform' | 'find-engine' | 'disk-space' | 'packages' | 'engine' | 'base-image' | 'init';

export class SetupError extends SandboxError {
  readonly step: StepName;

  constructor(step: StepName, reason: string, remedy: string, cause?: unknown) {
    super(SandboxError.is(cause) ? cause.code : 'SANDBOX_FAILED', `Cannot finish the set-up step ${step}: ${reason}`, {
      hint: remedy,
      cause,
    });
    this.name = 'SetupError';
    this.step = step;
  }
}

/** What a step's decision says: go on, or stop with a reason and a remedy. */
export type Verdict = { readonly verdict: 'ok' } | { readonly verdict: 'refuse'; readonly reason: string; readonly remedy: string };

export function refuse(reason: string, remedy: string): Extract<Verdict, { verdict: 'refuse' }> {
  return { verdict: 'refuse', reason, remedy };
}
