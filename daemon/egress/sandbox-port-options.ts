// What the egress side of a sandbox is given: what all of them share, and what is its own. Types only.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { GrantedEgress } from '../policy/egress-policy.ts';
import type { Connect } from './dial.ts';
import type { OperatorRules } from './judge.ts';
import type { DecisionRecord, EgressLimits, HeaderSecret } from './messages.ts';
import type { Resolve } from './resolver.ts';
import type { Verdict } from './verdict.ts';

/** What all sandboxes share. */
export interface EgressServices {
  readonly operator: () => OperatorRules;
  readonly resolve: Resolve;
  readonly connect: Connect;
  readonly limits: EgressLimits;
  /** Whose word on a server is believed. */
  readonly roots: () => SecureContext;
  /** A number for an attempt that no other has. */
  readonly nextId: () => number;
  readonly now: () => number;
}

export interface SandboxPortOptions {
  readonly services: EgressServices;
  readonly policy: GrantedEgress;
  readonly secrets: readonly HeaderSecret[];
  readonly usedUp: number;
  readonly usedDown: number;
  /** Allowed and about to be dialled. */
  readonly onStarted: (decision: DecisionRecord, attempt: number) => void;
  readonly onDecision: (decision: DecisionRecord, attempt: number) => void;
  /** A certificate for a host whose TLS is opened; null: there is none. */
  readonly leaf: (host: string) => Promise<SecureContext | null>;
  /** Asks whoever controls the session. */
  readonly ask: (decision: DecisionRecord, verdict: Verdict) => Promise<Verdict>;
  /** Speaks with one connection, to its end. */
  readonly serve: (socket: Socket) => Promise<void>;
}
