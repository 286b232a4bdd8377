// The egress process as the daemon sees it: one at a time, started when the first sandbox needs it, started again when it
// dies. While there is none every connection is closed; nothing is ever let out around it.

import type { Socket } from 'node:net';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedEgress } from '../policy/egress-policy.ts';
import { EgressChild } from './egress-child.ts';
import { EgressCounters, type EgressCounts } from './egress-counters.ts';
import type { EgressTrust } from './egress-trust.ts';
import { type Answer, type EgressEvents, type EgressGrant, KnownSandbox } from './known-sandbox.ts';
import { LeafDesk } from './leaf-desk.ts';
import type { DecisionRecord, EgressStatus, FromEgress, HeaderSecret, ToEgress } from './messages.ts';

const FIRST_DELAY_MS = 100;
const LAST_DELAY_MS = 10_000;
const CALL_LIMIT_MS = 10_000;
const MAX_CALLS = 4096;

export interface EgressProcessOptions {
  readonly configuration: Omit<Extract<ToEgress, { t: 'configure' }>, 't' | 'roots'>;
  readonly trust: EgressTrust;
  /** What is left of a session's policy under the operator's rules of now; asked each time it is told. */
  readonly narrow?: (profileName: string, policy: GrantedEgress) => GrantedEgress;
  readonly clock: Clock;
  readonly log: Log;
}

type Answered = Extract<FromEgress, { t: 'flushed' | 'forgotten' | 'explained' | 'status' }>;

export class EgressProcess {
  readonly #options: EgressProcessOptions;
  readonly #known = new Map<SandboxId, KnownSandbox>();
  readonly #calls = new Map<number, (answer: Answered | null) => void>();
  readonly #counters = new EgressCounters();
  readonly #leaves: LeafDesk;
  /** Of the process; it tells its attempts from those of its former lives. */
  #lives = 0;
  #operator: Pick<EgressProcessOptions['configuration'], 'allowPrivate' | 'blocklistExtra'> | null = null;
  #child: EgressChild | null = null;
  #starting: Promise<EgressChild> | null = null;
  #cancelRestart: () => void = () => undefined;
  #delayMs = FIRST_DELAY_MS;
  #lastCall = 0;
  #isStopped = false;

  constructor(options: EgressProcessOptions) {
    this.#options = options;
    this.#leaves = new LeafDesk(options);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Its connections are taken from now on; rejects if there is no egress process to be had. */
  async add(sandbox: SandboxId, grant: EgressGrant, secrets: () => readonly HeaderSecret[], events: EgressEvents): Promise<void> {
    const onDecided = (decision: DecisionRecord): void => this.#counters.decided(decision);
    this.#known.set(sandbox, new KnownSandbox({ grant, secrets, events, onDecided }));
    try {
      if (this.#child === null) await this.#start();
      else this.#tellPolicy(this.#child, sandbox);
    } catch (error) {
      this.#known.delete(sandbox);
      throw error;
    }
  }

  /** With its secrets as they are now. */
  setPolicy(sandbox: SandboxId, policy: GrantedEgress): void {
    const known = this.#known.get(sandbox);
    if (known === undefined) return;
    known.policy = policy;
    if (this.#child !== null) this.#tellPolicy(this.#child, sandbox);
  }

  /** What operators opened and closed: in force for all sandboxes when this returns; what that no longer allows is cut. */
  setOperator(operator: Pick<EgressProcessOptions['configuration'], 'allowPrivate' | 'blocklistExtra'>): void {
    const { allowPrivate, blocklistExtra } = operator;
    this.#operator = { allowPrivate, blocklistExtra };
    if (allowPrivate.length > 0) this.#options.log.warn({ allowPrivate }, 'sandboxes may reach these private ranges');
    const child = this.#child;
    if (child === null) return;
    child.tell({ t: 'operator', allowPrivate, blocklistExtra });
    for (const sandbox of this.#known.keys()) this.#tellPolicy(child, sandbox);
  }

  /** Its connections are cut, and every decision of it has been told, when this resolves. */
  async remove(sandbox: SandboxId): Promise<void> {
    const known = this.#known.get(sandbox);
    if (known === undefined || known.isLeaving) return;
    known.isLeaving = true;
    // One for each sandbox there is, so it always has room.
    await this.#call((call) => ({ t: 'forget', call, sandbox }), Number.POSITIVE_INFINITY);
    known.interrupted(this.#options.clock.now());
    this.#known.delete(sandbox);
  }

  /** A connection of the sandbox, unread. */
  connection(sandbox: SandboxId, socket: Socket): void {
    if (this.#child === null || this.#known.get(sandbox)?.isLeaving !== false) socket.destroy();
    else this.#child.give(sandbox, socket);
  }

  /** Everything it has decided for the command has been told when this resolves; the rest is what still goes on. */
  async flush(sandbox: SandboxId, execId: string): Promise<readonly DecisionRecord[]> {
    const answer = await this.#call((call) => ({ t: 'flush', call, sandbox, execId }));
    return answer?.t === 'flushed' ? answer.open : [];
  }

  /** null: there is no egress process now. */
  async explain(sandbox: SandboxId, url: string): Promise<DecisionRecord | null> {
    const answer = await this.#call((call) => ({ t: 'explain', call, sandbox, url }));
    return answer?.t === 'explained' ? answer.decision : null;
  }

  /** By a policy that no sandbox has; the process is started for it if need be. */
  async explainPolicy(policy: GrantedEgress, url: string): Promise<DecisionRecord | null> {
    if (this.#child === null) await this.#start();
    const answer = await this.#call((call) => ({ t: 'explainPolicy', call, policy, url }));
    return answer?.t === 'explained' ? answer.decision : null;
  }

  counts(): EgressCounts {
    return this.#counters.counts();
  }

  /** null: there is no egress process now. */
  async status(): Promise<EgressStatus | null> {
    const answer = await this.#call((call) => ({ t: 'status', call }));
    return answer?.t === 'status' ? answer.status : null;
  }

  /** Files by which tools inside a sandbox trust what vouches for hosts whose TLS is opened. */
  installTrust(directory: string): Promise<void> {
    return this.#options.trust.install(directory);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRestart();
    this.#child?.kill();
    this.#interrupt();
    this.#known.clear();
  }

  #start(): Promise<EgressChild> {
    this.#starting ??= this.#spawn().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #spawn(): Promise<EgressChild> {
    const { configuration, clock, log } = this.#options;
    const child = await EgressChild.start({
      configuration: { t: 'configure', ...configuration, ...this.#operator, roots: await this.#options.trust.roots() },
      clock,
      log,
      onMessage: (message) => this.#onMessage(child, message),
      onExit: (cause) => this.#onExit(cause),
    });
    if (this.#isStopped) {
      child.kill();
      return child;
    }
    this.#lives += 1;
    if (this.#lives > 1) this.#counters.restarted();
    for (const sandbox of this.#known.keys()) this.#tellPolicy(child, sandbox);
    this.#child = child;
    log.info({ pid: child.pid, uid: configuration.identity.uid }, 'egress process ready');
    return child;
  }

  #onExit(cause: string): void {
    this.#child = null;
    this.#interrupt();
    for (const settle of [...this.#calls.values()]) settle(null);
    if (this.#isStopped) return;
    this.#options.log.error({ cause, delayMs: this.#delayMs }, 'egress process died; there is no way out until it is back');
    this.#restartSoon();
  }

  #restartSoon(): void {
    const { clock, log } = this.#options;
    this.#cancelRestart = clock.after(this.#delayMs, () => {
      if (this.#isStopped || this.#child !== null) return;
      this.#start().then(
        () => {
          this.#cancelRestart = clock.after(LAST_DELAY_MS, () => {
            this.#delayMs = FIRST_DELAY_MS;
          });
        },
        (error: unknown) => {
          log.error({ err: error }, 'egress process did not come back');
          this.#restartSoon();
        },
      );
    });
    this.#delayMs = Math.min(LAST_DELAY_MS, this.#delayMs * 2);
  }

  #tellPolicy(child: EgressChild, sandbox: SandboxId): void {
    const known = this.#known.get(sandbox);
    if (known === undefined || known.isLeaving) return;
    const policy = this.#options.narrow?.(known.profileName, known.policy) ?? known.policy;
    child.tell({ t: 'policy', sandbox, policy, secrets: [...known.secrets()], ...known.used });
  }

  #onMessage(child: EgressChild, message: FromEgress): void {
    if (message.t === 'decision') this.#known.get(message.sandbox)?.decided(this.#nameOf(message.attempt), message.decision);
    else if (message.t === 'started') this.#known.get(message.sandbox)?.started(this.#nameOf(message.attempt), message.decision);
    else if (message.t === 'leafWanted') void this.#leaf(child, message);
    else if (message.t === 'ask') {
      const { call } = message;
      const tell = (answer: Answer): void => child.tell({ t: 'answer', call, answer });
      const known = this.#known.get(message.sandbox);
      if (known === undefined) tell('nobody');
      else known.asked(message.decision, tell);
    } else if ('call' in message) this.#calls.get(message.call)?.(message);
  }

  #interrupt(): void {
    for (const known of this.#known.values()) known.interrupted(this.#options.clock.now());
  }

  async #leaf(child: EgressChild, { call, sandbox, host }: Extract<FromEgress, { t: 'leafWanted' }>): Promise<void> {
    const known = this.#known.get(sandbox);
    const leaf = known === undefined ? null : await this.#leaves.answer(sandbox, host, known);
    child.tell({ t: 'leaf', call, leaf });
  }

  #nameOf(attempt: number): string {
    return `${this.#lives}-${attempt}`;
  }

  #call(message: (call: number) => ToEgress, most = MAX_CALLS): Promise<Answered | null> {
    const child = this.#child;
    if (child === null || this.#calls.size >= most) return Promise.resolve(null);
    this.#lastCall += 1;
    const call = this.#lastCall;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(CALL_LIMIT_MS, () => this.#calls.get(call)?.(null));
      this.#calls.set(call, (answer) => {
        cancel();
        this.#calls.delete(call);
        resolve(answer);
      });
      child.tell(message(call));
    });
  }
}
