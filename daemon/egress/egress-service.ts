// What the egress process knows of its sandboxes: one port each, found by what the daemon says of a connection.

import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { parseHostPattern } from '../policy/host-pattern.ts';
import { parseHttpTarget, parseTunnelTarget, type Target } from './authority.ts';
import { addressKey, groupsOf, parseCidr } from './cidr.ts';
import { connectSocket } from './dial.ts';
import type { OperatorRules } from './judge.ts';
import type { DecisionRecord, FromEgress, ToEgress } from './messages.ts';
import { createResolver } from './resolver.ts';
import { type EgressServices, SandboxPort } from './sandbox-port.ts';
import { serve } from './serve.ts';
import { deny, type Verdict } from './verdict.ts';

const RESOLVE_TIMEOUT_MS = 5_000;
const OWN_ADDRESSES_MS = 5_000;
const MAX_OPEN_RECORDS = 100;

type Message<T extends ToEgress['t']> = Extract<ToEgress, { t: T }>;

export class EgressService {
  readonly #send: (message: FromEgress) => void;
  readonly #services: EgressServices;
  readonly #ports = new Map<string, SandboxPort>();
  /** Bounded by every port's own bound. */
  readonly #asked = new Map<number, (answer: Message<'answer'>['answer']) => void>();
  #lastAsk = 0;

  constructor(configuration: Message<'configure'>, send: (message: FromEgress) => void) {
    this.#send = send;
    this.#services = {
      operator: operatorRules(configuration),
      resolve: createResolver({ servers: configuration.servers, timeoutMs: RESOLVE_TIMEOUT_MS }),
      connect: connectSocket,
      limits: configuration.limits,
      now: Date.now,
    };
  }

  handle(message: ToEgress, socket: Socket | undefined): void {
    if (message.t === 'connection') this.#connection(message, socket);
    else if (message.t === 'policy') this.#policy(message);
    else if (message.t === 'forget') this.#forget(message);
    else if (message.t === 'flush') this.#flush(message);
    else if (message.t === 'explain') void this.#explain(message);
    else if (message.t === 'answer') this.#asked.get(message.call)?.(message.answer);
  }

  #connection({ sandbox }: Message<'connection'>, socket: Socket | undefined): void {
    this.#send({ t: 'taken' });
    const port = this.#ports.get(sandbox);
    // Without a policy there is no way out.
    if (port === undefined) socket?.destroy();
    else if (socket !== undefined) port.accept(socket);
  }

  #policy({ sandbox, policy, usedUp, usedDown }: Message<'policy'>): void {
    const known = this.#ports.get(sandbox);
    if (known !== undefined) return known.setPolicy(policy);
    const port: SandboxPort = new SandboxPort({
      services: this.#services,
      policy,
      usedUp,
      usedDown,
      serve,
      onDecision: (decision) => this.#send({ t: 'decision', sandbox, decision }),
      ask: (decision, asked) => this.#ask(sandbox, port, decision, asked),
    });
    this.#ports.set(sandbox, port);
  }

  #forget({ sandbox }: Message<'forget'>): void {
    this.#ports.get(sandbox)?.close();
    this.#ports.delete(sandbox);
  }

  #flush({ sandbox, execId, call }: Message<'flush'>): void {
    this.#send({ t: 'flushed', call, open: this.#ports.get(sandbox)?.openAttempts(execId, MAX_OPEN_RECORDS) ?? [] });
  }

  async #explain({ sandbox, url, call }: Message<'explain'>): Promise<void> {
    const decision = await this.#ports.get(sandbox)?.explain(explainedTarget(url), url);
    if (decision !== undefined && decision !== null) this.#send({ t: 'explained', call, decision });
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

/** A URL, of https as well, or HOST:PORT. */
function explainedTarget(text: string): Target | null {
  const secure = /^https:\/\/([^/?#]*)/i.exec(text);
  if (secure === null) return parseHttpTarget(text) ?? parseTunnelTarget(text);
  const authority = secure[1] ?? '';
  return parseTunnelTarget(/:\d+$/.test(authority) ? authority : `${authority}:443`);
}

/** The host's own addresses change with its interfaces: they are looked up again from time to time. */
function operatorRules({ allowPrivate, blocklistExtra }: Message<'configure'>): () => OperatorRules {
  const read = <T>(texts: readonly string[], parse: (text: string) => T | null): T[] => texts.map(parse).filter((one) => one !== null);
  const blocked = read(blocklistExtra, parseCidr);
  const blockedHosts = read(blocklistExtra, parseHostPattern);
  const fixed = { allowPrivate: read(allowPrivate, parseCidr), blocked, blockedHosts };
  let rules: OperatorRules = { ...fixed, own: ownAddresses() };
  let readAt = Date.now();
  return () => {
    if (Date.now() - readAt > OWN_ADDRESSES_MS) {
      readAt = Date.now();
      rules = { ...fixed, own: ownAddresses() };
    }
    return rules;
  };
}

function ownAddresses(): ReadonlySet<string> {
  const found = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  return new Set(
    found
      .map(({ address }) => groupsOf(address.split('%')[0] ?? ''))
      .filter((groups) => groups !== null)
      .map(addressKey),
  );
}
