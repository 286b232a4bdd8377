// The egress side of one sandbox: its policy, its connections, its budget. Owns what is counted and what is cut;
// which protocol a connection speaks is serve.ts's business.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { GrantedEgress } from '../policy/egress-policy.ts';
import { type Admission, admit, type Gate } from './admission.ts';
import { Attempt, type AttemptOptions } from './attempt.ts';
import type { HttpTarget, Target } from './authority.ts';
import { dial } from './dial.ts';
import { type CompiledSecret, compileSecrets, fillIn, type FilledFields, isOfSecret, judgePlaceholders } from './header-secrets.ts';
import { type CompiledPolicy, compilePolicy, mustOpen } from './judge.ts';
import { KeptServer } from './kept-server.ts';
import type { DecisionRecord, EgressLimits, HeaderSecret } from './messages.ts';
import { openTowardsServer } from './opened-tls.ts';
import { rejudge } from './re-judge.ts';
import type { RequestHead } from './request-head.ts';
import type { SandboxPortOptions } from './sandbox-port-options.ts';
import { deny, type Verdict } from './verdict.ts';

const DIAL_TIMEOUT_MS = 10_000;
const OVERLOAD_REPORT_MS = 1_000;
const MAX_ASKING = 16;
/** An attempt of no connection. */
const NOBODY = { method: null, path: null, execId: null, client: null } as const;

export class SandboxPort {
  readonly #options: SandboxPortOptions;
  readonly #sockets = new Set<Socket>();
  readonly #attempts = new Set<Attempt>();
  readonly #kept = new Set<KeptServer>();
  /** Rules of `ask` that were answered for the session; bounded by the policy's own length. */
  readonly #confirmed = new Set<string>();
  #policy: CompiledPolicy;
  #secrets: readonly CompiledSecret[];
  #up: number;
  #down: number;
  #tokens: number;
  #refilledAt: number;
  #overloadAt = 0;
  #asking = 0;

  constructor(options: SandboxPortOptions) {
    this.#options = options;
    this.#policy = compilePolicy(options.policy);
    this.#secrets = compileSecrets(options.secrets);
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
    void this.#options.serve(socket).catch(() => socket.destroy());
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

  get load(): { readonly connections: number; readonly attempts: number } {
    return { connections: this.#sockets.size, attempts: this.#attempts.size };
  }

  attempt(options: Omit<AttemptOptions, 'id' | 'now' | 'onFinished'>): Attempt {
    const attempt = this.#make(options, (done) => this.#finished(done));
    this.#attempts.add(attempt);
    return attempt;
  }

  /** A tunnel there has to be opened: a rule or a secret needs to see its requests. */
  opens(target: Target): boolean {
    return mustOpen(target, this.#policy) || isOfSecret(this.#secrets, target);
  }

  leaf(host: string): Promise<SecureContext | null> {
    return this.#options.leaf(host);
  }

  /** null: no placeholder is in the head that does not belong there. */
  judgePlaceholders(head: RequestHead, target: Target | null): Verdict | null {
    return judgePlaceholders(this.#secrets, head, target);
  }

  /** Placeholders become values where TLS to the server of a secret is ours. */
  fillIn(fields: RequestHead['fields'], target: Target): FilledFields {
    return target.via === 'tunnel' ? fillIn(this.#secrets, fields, target) : { fields, written: [] };
  }

  /** `known`: an address that it is connected to already. */
  async admit(attempt: Attempt, known: string | null = null): Promise<Admission> {
    const admission = await admit(attempt.target, this.#gate(attempt, known));
    const isSpent = this.#up >= this.limits.bytesUp || this.#down >= this.limits.bytesDown;
    const result =
      admission.verdict.verdict === 'allow' && isSpent ? { verdict: deny('bytesExhausted', 'builtin:bytes'), addresses: [] } : admission;
    attempt.judged(result.verdict);
    return result;
  }

  /** What would become of it; nothing is dialled or confirmed. */
  async explain(target: Target | null, text: string): Promise<DecisionRecord | null> {
    const attempt = this.#make({ ...NOBODY, target, text });
    const { verdict } = await admit(target, { ...this.#gate(attempt, null), confirm: async (_, asked) => ({ ...asked, verdict: 'deny' }) });
    attempt.judged(verdict);
    return attempt.record(this.#options.services.now());
  }

  /** null: nobody answers; the attempt says so. */
  async dial(attempt: Attempt, admission: Admission, client: Socket): Promise<Socket | null> {
    if (client.destroyed) return null;
    this.#announce(attempt);
    const upstream = await dial(admission.addresses, attempt.target?.port ?? 0, {
      connect: this.#options.services.connect,
      timeoutMs: DIAL_TIMEOUT_MS,
    });
    if (upstream === null) {
      attempt.judged({ ...deny('unreachable', admission.verdict.rule), verdict: 'allow' });
      return null;
    }
    attempt.connected(upstream);
    // What holds may have changed while the connection was made.
    if (client.destroyed || rejudge(attempt, this.#policy, this.#options.services.operator()) !== null) {
      upstream.destroy();
      return null;
    }
    upstream.setTimeout(this.limits.idleMs, () => upstream.destroy());
    const follow = () => upstream.destroy();
    client.once('close', follow);
    upstream.once('close', () => client.off('close', follow));
    return upstream;
  }

  /** On a connection that was made for a request before, and judged again. */
  goOn(attempt: Attempt, upstream: Socket): void {
    this.#announce(attempt);
    attempt.connected(upstream, true);
  }

  /** For one client's connection. */
  keptServer(client: Socket): KeptServer {
    const kept = new KeptServer();
    this.#kept.add(kept);
    client.once('close', () => {
      kept.drop();
      this.#kept.delete(kept);
    });
    return kept;
  }

  /** The server of a request: in the clear, or over TLS that was verified. */
  async dialServer(attempt: Attempt, admission: Admission, client: Socket, target: HttpTarget): Promise<Socket | null> {
    const upstream = await this.dial(attempt, admission, client);
    if (upstream === null || target.via === 'http') return upstream;
    const secure = await openTowardsServer(upstream, target.host, this.#options.services.roots());
    if (secure.kind === 'open') {
      attempt.connected(secure.socket);
      return secure.socket;
    }
    attempt.judged({ ...deny(secure.kind === 'untrusted' ? 'untrustedServer' : 'unreachable', admission.verdict.rule), verdict: 'allow' });
    upstream.destroy();
    return null;
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
  setPolicy(granted: GrantedEgress, secrets: readonly HeaderSecret[]): void {
    this.#policy = compilePolicy(granted);
    this.#secrets = compileSecrets(secrets);
    this.#confirmed.clear();
    for (const kept of this.#kept) kept.drop();
    for (const attempt of [...this.#attempts]) {
      const over = rejudge(attempt, this.#policy, this.#options.services.operator());
      if (over !== null) attempt.cut(over);
    }
  }

  /** Of a command, or of all: as they stand. */
  openAttempts(execId: string, most: number): DecisionRecord[] {
    const now = this.#options.services.now();
    const records = [...this.#attempts].filter((attempt) => attempt.execId === execId).map((attempt) => attempt.record(now));
    return records.filter((record) => record !== null).slice(0, most);
  }

  /** Nothing goes on, and every attempt that was judged has been told of, when this returns. */
  close(): void {
    for (const socket of [...this.#sockets]) socket.destroy();
    for (const attempt of [...this.#attempts]) attempt.finish();
  }

  #gate(attempt: Attempt, known: string | null): Gate {
    const { services, ask } = this.#options;
    const current = () => this.#policy;
    return {
      get policy() {
        return current();
      },
      get operator() {
        return services.operator();
      },
      resolve: known === null ? services.resolve : async () => ({ kind: 'addresses', addresses: [known] }),
      confirm: async (_target, asked) => {
        if (this.#confirmed.has(asked.rule) || asked.rule === attempt.confirmedRule)
          return { verdict: 'allow', reason: 'confirmed', rule: asked.rule };
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
    for (const { text } of this.#policy.ask) if (`policy.ask:${text}` === rule) this.#confirmed.add(rule);
  }

  /** Once: it may have to be dialled again. */
  #announce(attempt: Attempt): void {
    const record = attempt.isStarted ? null : attempt.record(this.#options.services.now());
    if (record !== null) this.#options.onStarted(record, attempt.id);
    attempt.isStarted = true;
  }

  #finished(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    const record = attempt.record(this.#options.services.now());
    if (record !== null) this.#options.onDecision(record, attempt.id);
  }

  #make(options: Omit<AttemptOptions, 'id' | 'now' | 'onFinished'>, onFinished: (attempt: Attempt) => void = () => undefined): Attempt {
    const { nextId, now } = this.#options.services;
    return new Attempt({ ...options, id: nextId(), now: now(), onFinished });
  }

  /** A sandbox that runs into its limits is told of at most once a second. */
  #overloaded(rule: string): void {
    const now = this.#options.services.now();
    if (now - this.#overloadAt < OVERLOAD_REPORT_MS) return;
    this.#overloadAt = now;
    const attempt = this.#make({ ...NOBODY, target: null, text: '' });
    attempt.judged(deny('limitReached', rule));
    const record = attempt.record(now);
    if (record !== null) this.#options.onDecision(record, attempt.id);
  }
}
