// The daemon's side of one sandbox's way out: its socket, its policy, its decisions. Reads no byte of what a tenant sends;
// connections are handed on as they come.

import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createServer, type Server, type Socket } from 'node:net';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { EgressProposal } from '../../client/protocol/egress.ts';
import type { EgressDecision, ExecResult } from '../../client/protocol/exec.ts';
import { ExecId, type SandboxId } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import { type GrantedEgress, hasRuledHosts } from '../policy/egress-policy.ts';
import { DecisionBook } from './decision-book.ts';
import { egressEnv } from './egress-env.ts';
import type { EgressProcess } from './egress-process.ts';
import type { Answer } from './known-sandbox.ts';
import type { DecisionRecord, HeaderSecret } from './messages.ts';
import { ProposalBook } from './proposal-book.ts';

const BACKLOG = 256;
const MAX_PER_SECOND = 500;

/** A secret as whoever keeps it gives it. */
export interface GivenSecret extends Omit<HeaderSecret, 'value' | 'hosts'> {
  readonly hosts: readonly string[];
  readonly value: Buffer;
}

export interface SandboxEgressOptions {
  readonly sandboxId: SandboxId;
  /** At most 107 bytes; a stale socket there is replaced. */
  readonly socketPath: string;
  readonly profileName: string;
  readonly policy: GrantedEgress;
  /** What the sandbox holds only placeholders of, as it is now. */
  readonly secrets: () => readonly GivenSecret[];
  readonly process: EgressProcess;
  readonly clock: Clock;
  /** Of a command of the sandbox, null if there is none; the id comes from the sandbox. */
  readonly stateOf: (execId: string) => 'running' | 'ended' | null;
  /** Every attempt that is allowed, before it is dialled; `attempt` is the name it has in its decision. */
  readonly onStarted: (decision: EgressDecision, attempt: string) => void;
  /** Every decision, once; for the audit log and whoever listens. */
  readonly onDecision: (decision: EgressDecision, attempt: string) => void;
  /** Asks whoever controls the session about a request that waits. */
  readonly onAsk: (decision: EgressDecision) => Promise<Answer>;
}

export class SandboxEgress {
  readonly #options: SandboxEgressOptions;
  readonly #server: Server;
  readonly #book = new DecisionBook();
  readonly #proposals = new ProposalBook();
  #policy: GrantedEgress;
  /** TLS of some hosts is opened, and the sandbox has what it needs to trust that. */
  #isTlsOpened = false;
  #second = 0;
  #inSecond = 0;

  private constructor(options: SandboxEgressOptions) {
    this.#options = options;
    this.#policy = options.policy;
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  static async open(options: SandboxEgressOptions): Promise<SandboxEgress> {
    const egress = new SandboxEgress(options);
    await egress.#prepare(options.policy);
    await options.process.add(options.sandboxId, { profileName: options.profileName, policy: options.policy }, () => egress.#secrets(), {
      started: (decision, attempt) => options.onStarted(egress.#attributed(decision), attempt),
      decided: (decision, attempt) => egress.#decided(decision, attempt),
      asked: (decision, answer) => void egress.#asked(decision).then(answer, () => answer('nobody')),
    });
    await rm(options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      egress.#server.once('error', (cause) =>
        reject(new SandboxError('INTERNAL', `Cannot listen on ${options.socketPath}: ${cause.message}`, { cause })),
      );
      // Safe because: connect(2) needs write permission for the sandbox's uid, and the directory is only mounted into that
      // one sandbox; whoever connects is judged by its policy and by nothing it says.
      egress.#server.listen({ path: options.socketPath, backlog: BACKLOG, readableAll: true, writableAll: true }, resolve);
    });
    egress.#server.on('error', () => undefined);
    return egress;
  }

  get policy(): GrantedEgress {
    return this.#policy;
  }

  /** Of the command that is about to start; also while nothing leads out: a refusal that says why is worth more than an unknown name. */
  env(execId: string): Record<string, string> {
    return egressEnv(execId, this.#isTlsOpened);
  }

  /** In force when this resolves; connections that it no longer allows are cut. */
  async setPolicy(policy: GrantedEgress): Promise<void> {
    await this.#prepare(policy);
    this.#policy = policy;
    this.#options.process.setPolicy(this.#options.sandboxId, policy);
  }

  /** The secrets have changed. */
  async secretsChanged(): Promise<void> {
    await this.setPolicy(this.#policy);
  }

  /** What its policy would have to allow for what it was denied; nothing unless it learns. */
  proposal(): EgressProposal {
    return this.#proposals.proposal();
  }

  /** Adds to a result what was decided for its command. */
  async complete(draft: ExecResult): Promise<ExecResult> {
    const open = await this.#options.process.flush(this.#options.sandboxId, draft.id);
    return this.#book.complete(
      draft,
      open.map((record) => decisionOf(record, draft.id)),
    );
  }

  async explain(url: string): Promise<EgressDecision> {
    const record = await this.#options.process.explain(this.#options.sandboxId, url);
    if (record === null)
      throw new SandboxError('SANDBOX_FAILED', 'Cannot explain: the egress process is being started again', { retry: 'later' });
    return decisionOf(record, null);
  }

  /** Every decision of it has been told when this resolves. */
  async close(): Promise<void> {
    this.#server.close();
    await this.#options.process.remove(this.#options.sandboxId);
    await rm(this.#options.socketPath, { force: true });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const second = Math.floor(this.#options.clock.now() / 1000);
    if (second !== this.#second) [this.#second, this.#inSecond] = [second, 0];
    this.#inSecond += 1;
    // More than a sandbox can use; a flood costs the daemon an accept and nothing more.
    if (this.#inSecond > MAX_PER_SECOND) socket.destroy();
    else this.#options.process.connection(this.#options.sandboxId, socket);
  }

  /** Nothing is opened before tools can trust it. */
  async #prepare(policy: GrantedEgress): Promise<void> {
    if (this.#isTlsOpened || (this.#options.secrets().length === 0 && !hasRuledHosts(policy))) return;
    await this.#options.process.installTrust(dirname(this.#options.socketPath));
    this.#isTlsOpened = true;
  }

  #secrets(): HeaderSecret[] {
    return this.#options
      .secrets()
      .map(({ name, placeholder, hosts, value }) => ({ name, placeholder, hosts: [...hosts], value: value.toString('latin1') }));
  }

  #decided(record: DecisionRecord, attempt: string): void {
    const decision = this.#attributed(record);
    if (this.#policy.learn === true) this.#proposals.add(decision);
    const { execId } = decision;
    if (execId !== undefined && this.#options.stateOf(execId) === 'running') this.#book.add(execId, decision);
    this.#options.onDecision(decision, attempt);
  }

  #asked(record: DecisionRecord): Promise<Answer> {
    return this.#options.onAsk(this.#attributed(record));
  }

  /** A command's id counts only if there is such a command. */
  #attributed(record: DecisionRecord): EgressDecision {
    const { execId } = record;
    return decisionOf(record, execId === undefined || this.#options.stateOf(execId) === null ? null : execId);
  }
}

/** Without what the sandbox claimed. */
function decisionOf({ execId: _claimed, ...record }: DecisionRecord, execId: string | null): EgressDecision {
  return { ...record, ...(execId === null ? {} : { execId: ExecId.parse(execId) }) };
}
