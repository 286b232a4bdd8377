// What the egress process knows of its sandboxes: one port each, found by what the daemon says of a connection.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { connectSocket } from './dial.ts';
import { explainedTarget } from './explained-target.ts';
import { LeafStore } from './leaf-store.ts';
import type { DecisionRecord, FromEgress, Leaf, ToEgress } from './messages.ts';
import type { OperatorRules } from './judge.ts';
import { contextOfRoots } from './opened-tls.ts';
import { operatorRules } from './operator-rules.ts';
import { createResolver } from './resolver.ts';
import { SandboxPort } from './sandbox-port.ts';
import type { EgressServices } from './sandbox-port-options.ts';
import { serve } from './serve.ts';
import { deny, type Verdict } from './verdict.ts';

const RESOLVE_TIMEOUT_MS = 5_000;
const MAX_OPEN_RECORDS = 100;

type Message<T extends ToEgress['t']> = Extract<ToEgress, { t: T }>;

export class EgressService {
  readonly #send: (message: FromEgress) => void;
  readonly #residentBytes: () => number;
  readonly #services: EgressServices;
  #operator: () => OperatorRules;
  readonly #ports = new Map<string, SandboxPort>();
  /** Bounded by every port's own bound. */
  readonly #asked = new Map<number, (answer: Message<'answer'>['answer']) => void>();
  readonly #leaves: LeafStore;
  /** Bounded by what runs: one for each tunnel that begins. */
  readonly #leafCalls = new Map<number, (leaf: Leaf | null) => void>();
  #lastAsk = 0;
  #lastAttempt = 0;

  constructor(configuration: Message<'configure'>, send: (message: FromEgress) => void, residentBytes: () => number) {
    this.#send = send;
    this.#residentBytes = residentBytes;
    this.#operator = operatorRules(configuration);
    this.#leaves = new LeafStore({ ask: (sandbox, host) => this.#askLeaf(sandbox, host), now: Date.now });
    let roots: SecureContext | null = null;
    this.#services = {
      operator: () => this.#operator(),
      resolve: createResolver({ servers: configuration.servers, timeoutMs: RESOLVE_TIMEOUT_MS }),
      connect: connectSocket,
      limits: configuration.limits,
      roots: () => {
        roots ??= contextOfRoots(configuration.roots);
        return roots;
      },
      nextId: () => {
        this.#lastAttempt += 1;
        return this.#lastAttempt;
      },
      now: Date.now,
    };
  }

  handle(message: ToEgress, socket: Socket | undefined): void {
    if (message.t === 'connection') this.#connection(message, socket);
    else if (message.t === 'policy') this.#policy(message);
    else if (message.t === 'operator') this.#operator = operatorRules(message);
    else if (message.t === 'forget') this.#forget(message);
    else if (message.t === 'flush') this.#flush(message);
    else if (message.t === 'explain') void this.#explain(message);
    else if (message.t === 'explainPolicy') void this.#explainPolicy(message);
    else if (message.t === 'status') this.#status(message);
    else if (message.t === 'leaf') this.#leafCalls.get(message.call)?.(message.leaf);
    else if (message.t === 'answer') this.#asked.get(message.call)?.(message.answer);
  }

  #connection({ sandbox }: Message<'connection'>, socket: Socket | undefined): void {
    this.#send({ t: 'taken' });
    const port = this.#ports.get(sandbox);
    // Without a policy there is no way out.
    if (port === undefined) socket?.destroy();
    else if (socket !== undefined) port.accept(socket);
  }

  #policy({ sandbox, policy, secrets, usedUp, usedDown }: Message<'policy'>): void {
    const known = this.#ports.get(sandbox);
    if (known !== undefined) return known.setPolicy(policy, secrets);
    const port: SandboxPort = new SandboxPort({
      services: this.#services,
      policy,
      secrets,
      usedUp,
      usedDown,
      serve: (socket) => serve(socket, port),
      onStarted: (decision, attempt) => this.#send({ t: 'started', sandbox, attempt, decision }),
      onDecision: (decision, attempt) => this.#send({ t: 'decision', sandbox, attempt, decision }),
      leaf: (host) => this.#leaves.get(sandbox, host),
      ask: (decision, asked) => this.#ask(sandbox, port, decision, asked),
    });
    this.#ports.set(sandbox, port);
  }

  #forget({ call, sandbox }: Message<'forget'>): void {
    this.#ports.get(sandbox)?.close();
    this.#ports.delete(sandbox);
    this.#send({ t: 'forgotten', call });
  }

  #flush({ sandbox, execId, call }: Message<'flush'>): void {
    this.#send({ t: 'flushed', call, open: this.#ports.get(sandbox)?.openAttempts(execId, MAX_OPEN_RECORDS) ?? [] });
  }

  async #explain({ sandbox, url, call }: Message<'explain'>): Promise<void> {
    const decision = await this.#ports.get(sandbox)?.explain(explainedTarget(url), url);
    if (decision !== undefined && decision !== null) this.#send({ t: 'explained', call, decision });
  }

  /** As if there were a sandbox with this policy. */
  async #explainPolicy({ policy, url, call }: Message<'explainPolicy'>): Promise<void> {
    const port = new SandboxPort({
      services: this.#services,
      policy,
      secrets: [],
      usedUp: 0,
      usedDown: 0,
      serve: async (socket) => void socket.destroy(),
      onStarted: () => undefined,
      onDecision: () => undefined,
      leaf: () => Promise.resolve(null),
      ask: (_, asked) => Promise.resolve({ ...asked, verdict: 'deny' }),
    });
    const decision = await port.explain(explainedTarget(url), url);
    if (decision !== null) this.#send({ t: 'explained', call, decision });
  }

  #status({ call }: Message<'status'>): void {
    const loads = [...this.#ports.values()].map(({ load }) => load);
    const status = {
      rssBytes: this.#residentBytes(),
      sandboxes: this.#ports.size,
      connections: loads.reduce((sum, { connections }) => sum + connections, 0),
      attempts: loads.reduce((sum, { attempts }) => sum + attempts, 0),
      leaves: this.#leaves.size,
    };
    this.#send({ t: 'status', call, status });
  }

  async #askLeaf(sandbox: string, host: string): Promise<Leaf | null> {
    this.#lastAsk += 1;
    const call = this.#lastAsk;
    const leaf = await new Promise<Leaf | null>((resolve) => {
      this.#leafCalls.set(call, resolve);
      this.#send({ t: 'leafWanted', call, sandbox: sandbox as DecisionSandbox, host });
    });
    this.#leafCalls.delete(call);
    return leaf;
  }

  async #ask(sandbox: string, port: SandboxPort, decision: DecisionRecord, asked: Verdict): Promise<Verdict> {
    this.#lastAsk += 1;
    const call = this.#lastAsk;
    const answer = await new Promise<Message<'answer'>['answer']>((resolve) => {
      this.#asked.set(call, resolve);
      this.#send({ t: 'ask', call, sandbox: sandbox as DecisionSandbox, decision });
    });
    this.#asked.delete(call);
    if (answer === 'nobody') return { ...asked, verdict: 'deny' };
    if (answer === 'timeout') return deny('confirmationTimedOut', asked.rule);
    if (answer === 'deny') return deny('confirmationDenied', asked.rule);
    if (answer === 'allow-session') port.confirmForSession(asked.rule);
    return { verdict: 'allow', reason: 'confirmed', rule: asked.rule };
  }
}

type DecisionSandbox = Extract<FromEgress, { t: 'ask' }>['sandbox'];
