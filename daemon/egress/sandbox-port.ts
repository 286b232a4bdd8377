// The egress side of one sandbox: its policy, its connections, its budget. Owns what is counted and what is cut;
// which protocol a connection speaks is serve.ts's business.

import type { Socket } from 'node:net';
import type { GrantedEgress } from '../policy/egress-policy.ts';
import { type Admission, admit, type Gate } from './admission.ts';
import { Attempt, type AttemptOptions } from './attempt.ts';
import type { Target } from './authority.ts';
import { type Connect, dial } from './dial.ts';
import { type CompiledPolicy, compilePolicy, judgeTarget, type OperatorRules } from './judge.ts';
import type { DecisionRecord, EgressLimits } from './messages.ts';
import type { Resolve } from './resolver.ts';
import { deny, type Verdict } from './verdict.ts';

const DIAL_TIMEOUT_MS = 10_000;
const OVERLOAD_REPORT_MS = 1_000;
const MAX_ASKING = 16;

/** What all sandboxes share. */
export interface EgressServices {
  readonly operator: () => OperatorRules;
  readonly resolve: Resolve;
  readonly connect: Connect;
  readonly limits: EgressLimits;
  readonly now: () => number;
}

export interface SandboxPortOptions {
  readonly services: EgressServices;
  readonly policy: GrantedEgress;
  readonly usedUp: number;
  readonly usedDown: number;
  readonly onDecision: (decision: DecisionRecord) => void;
  /** Asks whoever controls the session. */
  readonly ask: (decision: DecisionRecord, verdict: Verdict) => Promise<Verdict>;
  readonly serve: (socket: Socket, port: SandboxPort) => Promise<void>;
}

export class SandboxPort {
  readonly #options: SandboxPortOptions;
  readonly #sockets = new Set<Socket>();
  readonly #attempts = new Set<Attempt>();
  /** Rules of `ask` that were answered for the session; bounded by the policy's own length. */
  readonly #confirmed = new Set<string>();
  #policy: CompiledPolicy;
  #up: number;
  #down: number;
  #tokens: number;
  #refilledAt: number;
  #overloadAt = 0;
  #asking = 0;

  constructor(options: SandboxPortOptions) {
    this.#options = options;
    this.#policy = compilePolicy(options.policy);
    this.#up = options.usedUp;
    this.#down = options.usedDown;
    this.#tokens = options.services.limits.requestsPerSecond * 2;
    this.#refilledAt = options.services.now();
  }

  get limits(): EgressLimits {
    return this.#options.services.limits;
  }

  /** A connection of the sandbox; served or closed, never left waiting. */
  accept(socket: Socket): void {
    socket.allowHalfOpen = true;
    socket.on('error', () => undefined);
    if (this.#sockets.size >= this.limits.connections) {
      this.#overloaded('builtin:connections');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.setTimeout(this.limits.idleMs, () => socket.destroy());
    const lifetime = setTimeout(() => socket.destroy(), this.limits.lifetimeMs);
    socket.once('close', () => {
      clearTimeout(lifetime);
      this.#sockets.delete(socket);
    });
    void this.#options.serve(socket, this).catch(() => socket.destroy());
  }

  /** false: too many requests; the caller refuses this one. */
  takeToken(): boolean {
    const { now, limits } = this.#options.services;
    const at = now();
    this.#tokens = Math.min(limits.requestsPerSecond * 2, this.#tokens + ((at - this.#refilledAt) / 1000) * limits.requestsPerSecond);
    this.#refilledAt = at;
    if (this.#tokens < 1) {
      this.#overloaded('builtin:requestsPerSecond');
      return false;
    }
    this.#tokens -= 1;
    return true;
  }

  attempt(options: Omit<AttemptOptions, 'now' | 'onFinished'>): Attempt {
    const attempt = new Attempt({ ...options, now: this.#options.services.now(), onFinished: (done) => this.#finished(done) });
    this.#attempts.add(attempt);
    return attempt;
  }

  async admit(attempt: Attempt): Promise<Admission> {
    const admission = await admit(attempt.target, this.#gate(attempt));
    const isSpent = this.#up >= this.limits.bytesUp || this.#down >= this.limits.bytesDown;
    const result =
      admission.verdict.verdict === 'allow' && isSpent ? { verdict: deny('bytesExhausted', 'builtin:bytes'), addresses: [] } : admission;
    attempt.judged(result.verdict);
    return result;
  }

  /** What would become of it; nothing is dialled or confirmed. */
  async explain(target: Target | null, text: string): Promise<DecisionRecord | null> {
    const now = this.#options.services.now();
    const attempt = new Attempt({ target, text, method: null, path: null, execId: null, client: null, now, onFinished: () => undefined });
    const { verdict } = await admit(target, { ...this.#gate(attempt), confirm: async (_, asked) => ({ ...asked, verdict: 'deny' }) });
    attempt.judged(verdict);
    return attempt.record(this.#options.services.now());
  }

  /** null: nobody answers; the attempt says so. */
  async dial(attempt: Attempt, admission: Admission, client: Socket): Promise<Socket | null> {
    const upstream = await dial(admission.addresses, attempt.target?.port ?? 0, {
      connect: this.#options.services.connect,
      timeoutMs: DIAL_TIMEOUT_MS,
    });
    if (upstream === null) {
      attempt.judged({ ...deny('unreachable', admission.verdict.rule), verdict: 'allow' });
      return null;
    }
    // The policy may have changed while the connection was made.
    const { target } = attempt;
    if (client.destroyed || target === null || !this.#isAllowed(target)) {
      upstream.destroy();
      return null;
    }
    upstream.setTimeout(this.limits.idleMs, () => upstream.destroy());
    const follow = () => upstream.destroy();
    client.once('close', follow);
    upstream.once('close', () => client.off('close', follow));
    attempt.connected(upstream);
    return upstream;
  }

  /** Counts; false: the budget is used up and the attempt is cut. */
  meter(attempt: Attempt, up: number, down: number): boolean {
    this.#up += up;
    this.#down += down;
    if (this.#up <= this.limits.bytesUp && this.#down <= this.limits.bytesDown) return true;
    attempt.cut(deny('bytesExhausted', 'builtin:bytes'));
    return false;
  }

  /** From now on; what is open and no longer allowed is cut. */
  setPolicy(granted: GrantedEgress): void {
    this.#policy = compilePolicy(granted);
    this.#confirmed.clear();
    for (const attempt of [...this.#attempts]) {
      const { target, verdict } = attempt;
      if (target === null || verdict?.verdict !== 'allow') continue;
      const now = judgeTarget(target, this.#policy, this.#options.services.operator());
      // What was confirmed stays as long as the entry that asked for it.
      if (now.verdict === 'deny' || (now.verdict === 'ask' && now.rule !== verdict.rule)) attempt.cut(deny('policyChanged', now.rule));
    }
  }

  /** Of a command, or of all: as they stand. */
  openAttempts(execId: string, most: number): DecisionRecord[] {
    const now = this.#options.services.now();
    const records = [...this.#attempts].filter((attempt) => attempt.execId === execId).map((attempt) => attempt.record(now));
    return records.filter((record) => record !== null).slice(0, most);
  }

  close(): void {
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  #gate(attempt: Attempt): Gate {
    const { services, ask } = this.#options;
    const current = () => this.#policy;
    return {
      get policy() {
        return current();
      },
      get operator() {
        return services.operator();
      },
      resolve: services.resolve,
      confirm: async (_target, asked) => {
        if (this.#confirmed.has(asked.rule)) return { verdict: 'allow', reason: 'confirmed', rule: asked.rule };
        attempt.judged(asked);
        const record = attempt.record(services.now());
        if (record === null) return { ...asked, verdict: 'deny' };
        if (this.#asking >= MAX_ASKING) return deny('limitReached', asked.rule);
        this.#asking += 1;
        attempt.rest(0);
        const answer = await ask(record, asked);
        attempt.rest(this.limits.idleMs);
        this.#asking -= 1;
        return answer;
      },
    };
  }

  /** For the session: the same rule is not asked again. */
  confirmForSession(rule: string): void {
    if (this.#policy.ask.some((pattern) => `policy.ask:${pattern.text}` === rule)) this.#confirmed.add(rule);
  }

  #isAllowed(target: Target): boolean {
    return judgeTarget(target, this.#policy, this.#options.services.operator()).verdict !== 'deny';
  }

  #finished(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    const record = attempt.record(this.#options.services.now());
    if (record !== null) this.#options.onDecision(record);
  }

  /** A sandbox that runs into its limits is told of at most once a second. */
  #overloaded(rule: string): void {
    const now = this.#options.services.now();
    if (now - this.#overloadAt < OVERLOAD_REPORT_MS) return;
    this.#overloadAt = now;
    const attempt = new Attempt({
      target: null,
      text: '',
      method: null,
      path: null,
      execId: null,
      client: null,
      now,
      onFinished: () => undefined,
    });
    attempt.judged(deny('limitReached', rule));
    const record = attempt.record(now);
    if (record !== null) this.#options.onDecision(record);
  }
}
