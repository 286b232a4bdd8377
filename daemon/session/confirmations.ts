// Questions to the controllers of sessions that wait for their answers. Owns time-outs and bounds; what an answer allows is
// the asker's business. Nobody there, too many at once, no answer in time: never a yes.

import { randomBytes } from 'node:crypto';
import type { ConfirmAnswer, ConfirmRequest } from '../../client/protocol/confirm.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';

const MAX_PER_SANDBOX = 8;

export type Confirmation = ConfirmAnswer | 'timeout';

export interface ConfirmationsOptions {
  readonly clock: Clock;
  readonly audit: AuditLog;
  /** Milliseconds until no answer is a denial. */
  readonly timeoutMs: number;
  /** False: the sandbox has no controller that is connected. */
  readonly deliver: (request: ConfirmRequest) => boolean;
}

interface Pending {
  readonly sandbox: SandboxId;
  readonly settle: (answer: Confirmation) => void;
}

export class Confirmations {
  readonly #options: ConfirmationsOptions;
  readonly #pending = new Map<string, Pending>();

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  async ask(question: Omit<ConfirmRequest, 'id' | 'expiresAt'>, identity: Readonly<Record<string, unknown>>): Promise<Confirmation> {
    const { clock, audit, timeoutMs, deliver } = this.#options;
    const id = randomBytes(16).toString('base64url');
    const { sandboxId: sandbox, ...asked } = question;
    const waiting = [...this.#pending.values()].filter((pending) => pending.sandbox === sandbox).length;
    if (waiting >= MAX_PER_SANDBOX) return 'nobody';
    const answered = new Promise<Confirmation>((resolve) => {
      const cancel = clock.after(timeoutMs, () => this.#pending.get(id)?.settle('timeout'));
      const settle = (answer: Confirmation) => {
        cancel();
        this.#pending.delete(id);
        resolve(answer);
      };
      this.#pending.set(id, { sandbox, settle });
      if (!deliver({ ...question, id, expiresAt: new Date(clock.now() + timeoutMs).toISOString() })) settle('nobody');
    });
    audit.append({
      kind: 'confirm.request',
      ...identity,
      sandboxId: sandbox,
      confirmId: id,
      what: asked.kind,
      summary: asked.summary,
      rule: asked.rule,
      execId: asked.execId ?? null,
    });
    const answer = await answered;
    audit.append({ kind: 'confirm.answer', ...identity, sandboxId: sandbox, confirmId: id, answer });
    return answer;
  }

  /** False: nothing of this sandbox waits under the id (any more). */
  answer(sandbox: SandboxId, id: string, answer: ConfirmAnswer): boolean {
    const pending = this.#pending.get(id);
    if (pending?.sandbox !== sandbox) return false;
    pending.settle(answer);
    return true;
  }
}
