// One attempt to get out, from its verdict to its last byte: what becomes an EgressDecision. Owns the record, once.

import type { Socket } from 'node:net';
import { hostText } from '../policy/host-name.ts';
import type { Target } from './authority.ts';
import type { DecisionRecord } from './messages.ts';
import type { Verdict } from './verdict.ts';

const MAX_HOST_TEXT = 255;
const MAX_PATH_TEXT = 256;

export interface AttemptOptions {
  /** Of its process. */
  readonly id: number;
  /** null: it was not readable. */
  readonly target: Target | null;
  /** What was sent as target, for the record of one that was not readable. */
  readonly text: string;
  readonly method: string | null;
  /** Recorded without its query, which may hold secrets. */
  readonly path: string | null;
  /** As the command's own proxy credentials say: advisory within the sandbox. */
  readonly execId: string | null;
  /** An answer that was given before and counts here. */
  readonly confirmedRule?: string;
  /** null: nobody waits for it on a connection. */
  readonly client: Socket | null;
  readonly now: number;
  readonly onFinished: (attempt: Attempt) => void;
}

export class Attempt {
  readonly id: number;
  readonly target: Target | null;
  readonly execId: string | null;
  readonly confirmedRule: string | undefined;
  /** Said to be about to be dialled. */
  isStarted = false;
  readonly #options: AttemptOptions;
  #verdict: Verdict | null = null;
  #upstream: Socket | null = null;
  /** What had passed there before. */
  #before = { up: 0, down: 0 };
  #isFinished = false;
  #isCarrier = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.id = options.id;
    this.target = options.target;
    this.execId = options.execId;
    this.confirmedRule = options.confirmedRule;
  }

  /** null: not judged yet. */
  get verdict(): Verdict | null {
    return this.#verdict;
  }

  /** What it is connected to. */
  get address(): string | undefined {
    return this.#upstream?.remoteAddress;
  }

  /** A tunnel whose requests are attempts of their own: it is no news itself. */
  get isCarrier(): boolean {
    return this.#isCarrier;
  }

  carries(isCarrier: boolean): void {
    this.#isCarrier = isCarrier;
  }

  judged(verdict: Verdict): void {
    if (!this.#isFinished) this.#verdict = verdict;
  }

  /** While somebody is asked the connection is not idle; `idleMs` 0: it may rest. */
  rest(idleMs: number): void {
    this.#options.client?.setTimeout(idleMs);
  }

  /** The other end, so that it can be cut; `isKept`: others used it before. */
  connected(upstream: Socket, isKept = false): void {
    this.#upstream = upstream;
    this.#before = isKept ? { up: upstream.bytesWritten, down: upstream.bytesRead } : { up: 0, down: 0 };
  }

  /** Ends it under another verdict, bytes and all. */
  cut(verdict: Verdict): void {
    this.judged(verdict);
    this.#options.client?.destroy();
    this.#upstream?.destroy();
  }

  finish(): void {
    if (this.#isFinished || this.#verdict === null) return;
    this.#isFinished = true;
    this.#options.onFinished(this);
  }

  /** As it stands now; a carrier that was never cut says nothing. */
  record(now: number): DecisionRecord | null {
    const { target, text, method, path, execId } = this.#options;
    if (this.#verdict === null || (this.#isCarrier && this.#verdict.verdict === 'allow')) return null;
    const { verdict, reason, rule, remedy } = this.#verdict;
    const { address } = this;
    return {
      at: new Date(this.#options.now).toISOString(),
      host: target === null ? printable(text, MAX_HOST_TEXT) : hostText(target.host),
      port: target?.port ?? 0,
      ...(address === undefined ? {} : { address }),
      ...(method === null ? {} : { method }),
      ...(path === null ? {} : { path: printable(path.split('?')[0] ?? '', MAX_PATH_TEXT) }),
      // What still waits for its confirmation has not been let out.
      verdict: verdict === 'allow' ? 'allow' : 'deny',
      reason,
      rule: printable(rule, 400),
      ...(remedy === undefined ? {} : { remedy }),
      bytesUp: (this.#upstream?.bytesWritten ?? 0) - this.#before.up,
      bytesDown: (this.#upstream?.bytesRead ?? 0) - this.#before.down,
      ms: Math.max(0, now - this.#options.now),
      ...(execId === null ? {} : { execId }),
    };
  }
}

const printable = (text: string, max: number): string => text.slice(0, max).replaceAll(/[^ -~]/g, '?');
