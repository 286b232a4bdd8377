// A sandbox as the daemon knows it towards the egress process: its grant, what it has used, and what goes on. Owns that every
// attempt which was told of as started is told of as decided, once, whatever ends it.

import type { GrantedEgress } from '../policy/egress-policy.ts';
import type { DecisionRecord, HeaderSecret, ToEgress } from './messages.ts';
import { remedyOf } from './verdict.ts';

/** Attempts of one sandbox that are known to go on. */
const MAX_OPEN = 16_384;

export type Answer = Extract<ToEgress, { t: 'answer' }>['answer'];

/** What is told of one sandbox. */
export interface EgressEvents {
  /** Allowed, and about to be dialled; its `decided` follows, even if the process dies. */
  readonly started: (decision: DecisionRecord, attempt: string) => void;
  readonly decided: (decision: DecisionRecord, attempt: string) => void;
  readonly asked: (decision: DecisionRecord, answer: (answer: Answer) => void) => void;
}

/** What holds for one sandbox. */
export interface EgressGrant {
  readonly profileName: string;
  readonly policy: GrantedEgress;
}

export interface KnownSandboxOptions {
  readonly grant: EgressGrant;
  readonly secrets: () => readonly HeaderSecret[];
  readonly events: EgressEvents;
  /** Every decision, for who counts them. */
  readonly onDecided: (decision: DecisionRecord) => void;
}

export class KnownSandbox {
  readonly profileName: string;
  policy: GrantedEgress;
  /** Its end has begun: no new connection, no policy, no way back. */
  isLeaving = false;
  /** Asked each time: nobody else keeps values. */
  readonly secrets: () => readonly HeaderSecret[];
  readonly #options: Pick<KnownSandboxOptions, 'events' | 'onDecided'>;
  /** Names of attempts that started and are not decided. */
  readonly #open = new Map<string, DecisionRecord>();
  #usedUp = 0;
  #usedDown = 0;

  constructor(options: KnownSandboxOptions) {
    this.#options = options;
    this.profileName = options.grant.profileName;
    this.policy = options.grant.policy;
    this.secrets = options.secrets;
  }

  get used(): Pick<Extract<ToEgress, { t: 'policy' }>, 'usedUp' | 'usedDown'> {
    return { usedUp: this.#usedUp, usedDown: this.#usedDown };
  }

  started(attempt: string, decision: DecisionRecord): void {
    if (this.#open.size >= MAX_OPEN) return;
    this.#open.set(attempt, decision);
    this.#options.events.started(decision, attempt);
  }

  decided(attempt: string, decision: DecisionRecord): void {
    this.#open.delete(attempt);
    this.#usedUp += decision.bytesUp;
    this.#usedDown += decision.bytesDown;
    this.#options.onDecided(decision);
    this.#options.events.decided(decision, attempt);
  }

  asked(decision: DecisionRecord, answer: (answer: Answer) => void): void {
    if (this.isLeaving) answer('nobody');
    else this.#options.events.asked(decision, answer);
  }

  /** What went on when the process died or fell silent: how much passed, nobody knows any more. */
  interrupted(nowMs: number): void {
    for (const [attempt, decision] of [...this.#open]) {
      const ms = Math.max(0, nowMs - Date.parse(decision.at));
      this.decided(attempt, { ...decision, ms, reason: 'interrupted', remedy: remedyOf('interrupted') });
    }
  }
}
