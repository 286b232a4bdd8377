// A spare that is a container, and how it becomes a tenant's: limits that differ are set, everything is proven once more,
// and a record says whose it is. Nothing is renamed, moved or mounted, and nothing inside it learns of it.

import type { Receipt } from '../../client/protocol/receipt.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { ContainerDriver } from '../container/driver.ts';
import { cpuSharesFor, shmBytesFor } from '../container/grant.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import type { ContainerMaker, MadeSandbox } from './container-maker.ts';
import type { ContainerSandbox } from './container-sandbox.ts';
import { Later } from './later.ts';
import type { SandboxOrder } from './running-sandbox.ts';
import type { Spare } from './spare-pool.ts';

/** A spare that does not answer in this time is not worth waiting for: one from nothing takes less. */
const ANSWER_LIMIT_MS = 1000;
const COUNT_AFTER_MS = 500;

export interface SpareSandboxOptions {
  readonly maker: ContainerMaker;
  readonly driver: ContainerDriver;
  readonly workspaces: WorkspaceKeeper;
  /** A tenant's workspaces together have a limit. */
  readonly isStorageLimited: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export class SpareSandbox implements Spare {
  readonly #options: SpareSandboxOptions;
  readonly #made: MadeSandbox;

  constructor(made: MadeSandbox, options: SpareSandboxOptions) {
    this.#made = made;
    this.#options = options;
  }

  get id(): SandboxId {
    return this.#made.sandbox.id;
  }

  get policy(): GrantedPolicy {
    return this.#made.sandbox.record.policy;
  }

  get died(): Promise<string> {
    return this.#made.sandbox.died;
  }

  async isCurrent(): Promise<boolean> {
    return (await this.#options.driver.inspectImage(this.policy.imageReference))?.id === this.#made.grant.image.id;
  }

  discard(reason: string): Promise<void> {
    return this.#made.sandbox.close('delete', reason);
  }

  /** What a container has for life must be what is asked for; the other limits can be set. */
  fits({ policy: asked }: { readonly policy: GrantedPolicy }): boolean {
    const { policy } = this;
    return (
      asked.imageReference === policy.imageReference &&
      asked.runtime === policy.runtime &&
      JSON.stringify(asked.profile) === JSON.stringify(policy.profile) &&
      asked.limits.tmpBytes === policy.limits.tmpBytes &&
      shmBytesFor(asked.limits.memoryBytes) === shmBytesFor(policy.limits.memoryBytes) &&
      // The largest file is limited for life; less than that is the quota's business.
      asked.limits.diskBytes <= policy.limits.diskBytes &&
      this.#made.sandbox.link.state === 'up'
    );
  }

  /** Rejects when it is not, or does not become, what was ordered; then it has to be discarded. */
  async claim(order: SandboxOrder, signal: AbortSignal): Promise<ContainerSandbox> {
    const { sandbox } = this.#made;
    const [receipt] = await both(this.#proven(order, signal), this.#claimWorkspace(order));
    await sandbox.handOut(order, receipt);
    return sandbox;
  }

  async #claimWorkspace({ tenant, workspaceName: name, retain, policy }: SandboxOrder): Promise<void> {
    const { workspaces, clock, log, isStorageLimited } = this.#options;
    const { sandbox } = this.#made;
    const maxBytes = workspaces.store.kind === 'btrfs' ? policy.limits.diskBytes : null;
    const { count } = await workspaces.claimSpare(sandbox.record.workspaceId, { tenant, name, retain, maxBytes });
    if (isStorageLimited) return await count();
    // Where nothing is limited it is a statistic: nobody waits for that, and those who open now get the processor first.
    const counting = new Later(clock, COUNT_AFTER_MS, () =>
      count().catch((error: unknown) => log.error({ sandboxId: this.id, err: error }, 'workspace not counted into its tenant')),
    );
    sandbox.beforeLeaving(() => counting.done());
  }

  async #proven(order: SandboxOrder, signal: AbortSignal): Promise<Receipt> {
    const { maker, driver } = this.#options;
    const { sandbox, inspect } = this.#made;
    const isChanged = await this.#setLimits(order.policy, signal);
    const grant = await maker.grant({ ...sandbox.record, ...order, env: { ...order.env } }, this.#made.grant.image);
    // Of what the engine says of a container only its limits and its state change. With the limits left alone the kernel,
    // which is asked in any case, has the last word on both.
    const account = isChanged ? driver : { inspect: async () => inspect };
    const proof = maker.prove({ sandbox, containerId: inspect.Id, grant, driver: account, signal });
    return within(this.#options.clock, ANSWER_LIMIT_MS, proof);
  }

  async #setLimits({ limits }: GrantedPolicy, signal: AbortSignal): Promise<boolean> {
    const { memoryBytes, cpus, pids } = this.policy.limits;
    if (limits.memoryBytes === memoryBytes && limits.cpus === cpus && limits.pids === pids) return false;
    await this.#options.driver.updateLimits(
      this.#made.inspect.Id,
      { memoryBytes: limits.memoryBytes, cpus: limits.cpus, cpuShares: cpuSharesFor(limits.cpus), pids: limits.pids },
      { signal },
    );
    return true;
  }
}

async function within<T>(clock: Clock, limitMs: number, work: Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(limitMs, () =>
      reject(new SandboxError('SANDBOX_FAILED', `Cannot use the spare: it did not answer within ${limitMs} ms`)),
    );
  });
  work.catch(() => undefined);
  return Promise.race([work, late]).finally(() => cancel());
}

/** Both to their end, whichever fails: what is under way must not go on while the spare is discarded. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<readonly [A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return [first.value, second.value];
}
