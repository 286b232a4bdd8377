// Starting sandboxes for sessions: from a spare, from nothing, or anew in the place of one that was ended. Owns how many
// are started at once and whose turn it is; which sessions there are is the pool's business.

import PQueue from 'p-queue';
import { claimSpare, makeSandbox, type MakeOptions } from './make-sandbox.ts';
import type { RunningSandbox, SandboxOrder } from './running-sandbox.ts';
import { orderAgain } from './sandbox-order.ts';
import type { Session, StartKind } from './session.ts';
import { type TurnOptions, Turns } from './turns.ts';

/** Spares handed out at once; each costs a few small files. */
const CLAIMING = 16;

export interface Restart {
  /** Who ends what runs: the `by` of its results. */
  readonly by: string;
  readonly reason: string;
  /** Runs while nothing of the sandbox lives. If it fails, the sandbox is started again all the same, and then the restart fails. */
  readonly between: () => Promise<void>;
}

export interface StartsOptions extends MakeOptions {
  /** Made from nothing at once. */
  readonly creating: number;
  readonly onDied: (session: Session, cause: string) => void;
}

export class Starts {
  readonly #options: StartsOptions;
  readonly #creations: PQueue<Turns, TurnOptions>;
  readonly #claims = new PQueue({ concurrency: CLAIMING });
  readonly #abort = new AbortController();

  constructor(options: StartsOptions) {
    this.#options = options;
    this.#creations = new PQueue({ concurrency: options.creating, queueClass: Turns });
  }

  /** A spare does not wait for those that are made from nothing; one that is no good any more is replaced by such a one. */
  async start(session: Session, order: SandboxOrder, isReserved: boolean, room: Promise<void> | null): Promise<void> {
    const spare = isReserved
      ? await this.#claims.add(async () => {
          await room;
          return claimSpare(this.#options, order, this.#abort.signal);
        })
      : null;
    if (spare !== null) this.started(session, spare, 'warm');
    else
      await this.#queued(session, async () => {
        await room;
        await this.#make(session, order);
      });
  }

  /** Ends what runs, and starts the session's sandbox once more. Answers what `between` failed with; rejects if it could not be started. */
  async restart(session: Session, { by, reason, between }: Restart): Promise<{ readonly cause: unknown } | null> {
    const former = session.sandbox();
    session.restarting();
    return this.#queued(session, async () => {
      await former.close('keep', reason, by);
      const failure = await between().then(
        () => null,
        (cause: unknown) => ({ cause }),
      );
      await this.#make(session, orderAgain(session));
      return failure;
    });
  }

  started(session: Session, sandbox: RunningSandbox, startKind: StartKind): void {
    session.started(sandbox, startKind);
    void sandbox.died.then((cause) => {
      if (session.runningSandbox === sandbox) this.#options.onDied(session, cause);
    });
  }

  /** Nothing more is started; resolves when nothing is being started. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#claims.onIdle();
    await this.#creations.onIdle();
  }

  async #make(session: Session, order: SandboxOrder): Promise<void> {
    this.started(session, await makeSandbox(this.#options, order, this.#abort.signal), 'cold');
  }

  #queued<T>(session: Session, start: () => Promise<T>): Promise<T> {
    return this.#creations.add(start, { tenant: session.tenant });
  }
}
