// Questions to the controllers of sessions that wait for their answers; operators may answer in their place. Owns time-outs
// and bounds; what an answer allows is the asker's business. Nobody there, too many at once, no answer in time, whoever would
// have answered or waits for it gone: never a yes.

import { randomBytes } from 'node:crypto';
import type { ConfirmAnswer, ConfirmRequest } from '../../client/protocol/confirm.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';

const MAX_PER_SANDBOX = 8;

export type Confirmation = ConfirmAnswer | 'timeout';

export interface Settled {
  readonly answer: Confirmation;
  /** `controller`, `operator:TOKEN`, or what settled it: `timeout`, `nobody`, `busy`, `disconnect`, `cancel`, `closed`. */
  readonly by: string;
}

export interface ConfirmationsOptions {
  readonly clock: Clock;
  readonly audit: AuditLog;
  /** Milliseconds until no answer is a denial. */
  readonly timeoutMs: number | (() => number);
  /** False: the sandbox has no controller that is connected. A text is its clientId. */
  readonly deliver: (request: ConfirmRequest) => boolean | string;
}

interface Pending {
  readonly request: ConfirmRequest;
  /** Clients without whom it is pointless: who is asked, who waits. */
  readonly clients: ReadonlySet<string>;
  readonly settle: (settled: Settled) => void;
}

export class Confirmations {
  readonly #options: ConfirmationsOptions;
  readonly #pending = new Map<string, Pending>();

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  async ask(question: Omit<ConfirmRequest, 'id' | 'expiresAt'>, identity: Readonly<Record<string, unknown>>): Promise<Confirmation> {
    return (await this.settle(question, identity, null)).answer;
  }

  /** `asker`: the client that waits for it, if it is one. */
  async settle(
    question: Omit<ConfirmRequest, 'id' | 'expiresAt'>,
    identity: Readonly<Record<string, unknown>>,
    asker: string | null,
  ): Promise<Settled> {
    const { clock, audit } = this.#options;
    const timeoutMs = typeof this.#options.timeoutMs === 'number' ? this.#options.timeoutMs : this.#options.timeoutMs();
    const request: ConfirmRequest = {
      ...question,
      id: randomBytes(16).toString('base64url'),
      expiresAt: new Date(clock.now() + timeoutMs).toISOString(),
    };
    const { sandboxId, kind, tool, summary, rule, reason, execId, arguments: args } = request;
    const of = { ...identity, sandboxId, confirmId: request.id, execId: execId ?? null };
    audit.append({
      kind: 'confirm.request',
      ...of,
      what: kind,
      tool,
      summary,
      arguments: args,
      rule,
      reason,
      expiresAt: request.expiresAt,
    });
    const settled = await this.#answered(request, timeoutMs, asker);
    audit.append({ kind: 'confirm.answer', ...of, ...settled });
    return settled;
  }

  /** False: nothing of this sandbox waits under the id (any more). */
  answer(sandbox: SandboxId, id: string, answer: ConfirmAnswer, by = 'controller'): boolean {
    const pending = this.#pending.get(id);
    if (pending?.request.sandboxId !== sandbox) return false;
    pending.settle({ answer, by });
    return true;
  }

  /** What waits, oldest first. */
  list(): ConfirmRequest[] {
    return [...this.#pending.values()].map(({ request }) => request);
  }

  /** A client is gone: what it was to answer or waits for is denied. */
  disconnected(clientId: string): void {
    for (const { clients, settle } of [...this.#pending.values()])
      if (clients.has(clientId)) settle({ answer: 'nobody', by: 'disconnect' });
  }

  /** True: the command waited for an answer, and will not be started. */
  cancel(sandbox: SandboxId, execId: string): boolean {
    for (const { request, settle } of [...this.#pending.values()]) {
      if (request.sandboxId !== sandbox || request.kind !== 'tool' || request.execId !== execId) continue;
      settle({ answer: 'nobody', by: 'cancel' });
      return true;
    }
    return false;
  }

  /** The sandbox is gone. */
  closed(sandbox: SandboxId): void {
    for (const { request, settle } of [...this.#pending.values()])
      if (request.sandboxId === sandbox) settle({ answer: 'nobody', by: 'closed' });
  }

  #answered(request: ConfirmRequest, timeoutMs: number, asker: string | null): Promise<Settled> {
    const { clock, deliver } = this.#options;
    const { id, sandboxId } = request;
    const waiting = [...this.#pending.values()].filter((pending) => pending.request.sandboxId === sandboxId).length;
    if (waiting >= MAX_PER_SANDBOX) return Promise.resolve({ answer: 'nobody', by: 'busy' });
    return new Promise((resolve) => {
      const cancel = clock.after(timeoutMs, () => settle({ answer: 'timeout', by: 'timeout' }));
      const clients = new Set(asker === null ? [] : [asker]);
      const settle = (settled: Settled): void => {
        cancel();
        if (this.#pending.delete(id)) resolve(settled);
      };
      this.#pending.set(id, { request, clients, settle });
      const delivered = deliver(request);
      if (delivered === false) settle({ answer: 'nobody', by: 'nobody' });
      else if (typeof delivered === 'string') clients.add(delivered);
    });
  }
}
