// Makes sandboxes for orders: from a spare if there is one that fits, else from nothing. Owns which record a sandbox begins
// with and what its workspace is; containers are container-maker.ts's, spares are spare-pool.ts's.

import type { ImageDetails } from '../container/driver.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import { newNonces } from '../link/control-listener.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import type { WorkspaceRecord } from '../workspace/workspace-records.ts';
import { adoptSandboxes } from './adoption.ts';
import { baseEnv } from './base-env.ts';
import { ContainerMaker, type ContainerMakerOptions } from './container-maker.ts';
import type { Quotas } from './quota.ts';
import type { AdoptedSandbox, RunningSandbox, SandboxMaker, SandboxOrder } from './running-sandbox.ts';
import { newSandboxId } from './sandbox-id.ts';
import type { SandboxRecord } from './sandbox-record.ts';
import { SparePool, type Target } from './spare-pool.ts';
import { SpareSandbox } from './spare-sandbox.ts';

export interface SandboxFactoryOptions extends Omit<ContainerMakerOptions, 'leaving'> {
  readonly quotas: Quotas;
  /** A tenant's workspaces together have a limit. */
  readonly isStorageLimited: boolean;
  /** Which spares to keep. */
  readonly spares: () => readonly Target[];
}

type Beginning = Pick<
  SandboxRecord,
  'id' | 'tenant' | 'session' | 'workspaceName' | 'policy' | 'labels' | 'env' | 'retain' | 'createdAtMs' | 'expiresAtMs' | 'idleMs'
>;

export class SandboxFactory implements SandboxMaker {
  readonly #options: SandboxFactoryOptions & ContainerMakerOptions;
  readonly #leaving = new AbortController();
  readonly #maker: ContainerMaker;
  readonly #spares: SparePool<SpareSandbox>;
  /** Being made for somebody. */
  #making = 0;

  constructor(options: SandboxFactoryOptions) {
    this.#options = { ...options, leaving: this.#leaving.signal };
    this.#maker = new ContainerMaker(this.#options);
    this.#spares = new SparePool({
      targets: options.spares,
      make: (target, signal) => this.#makeSpare(target.policy, signal),
      hold: (policy) => options.quotas.holdSpare(policy.limits),
      isBusy: () => this.#making > 0,
      clock: options.clock,
      log: options.log,
    });
  }

  reserve(order: Omit<SandboxOrder, 'id'>): SandboxId | null {
    // Its files are there already, under the uid they belong to.
    if (order.hostPath !== undefined || this.#options.workspaces.has(order.tenant, order.workspaceName)) return null;
    return this.#spares.reserve((spare) => spare.fits(order));
  }

  async claim(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox | null> {
    const spare = this.#spares.take(order.id);
    if (spare === null) return null;
    try {
      signal.throwIfAborted();
      return await spare.claim(order, signal);
    } catch (error) {
      this.#options.log.warn({ sandboxId: order.id, err: error }, 'spare not handed out');
      await spare.discard('it could not be handed out');
      signal.throwIfAborted();
      return null;
    }
  }

  async make(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox> {
    const { workspaces, quotas } = this.#options;
    signal.throwIfAborted();
    this.#making += 1;
    try {
      const { policy, tenant, workspaceName: name, retain, hostPath } = order;
      const image = await this.#maker.image(policy, `open session ${order.session}`);
      await this.#spares.giveUpWhile(() => quotas.isCrowded);
      const maxBytes = workspaces.store.kind === 'btrfs' ? policy.limits.diskBytes : null;
      const workspace = await workspaces.claim({ tenant, name, retain, maxBytes, hostPath });
      const record = newRecord({ ...order, env: { ...order.env } }, workspace.record, image);
      // A workspace made for this sandbox alone goes with it; an older one is somebody's files.
      return (await this.#maker.make(record, image, workspace.isNew ? 'delete' : 'keep', signal)).sandbox;
    } finally {
      this.#making -= 1;
    }
  }

  async adopt(): Promise<readonly AdoptedSandbox[]> {
    const adopted = await adoptSandboxes(this.#options);
    await this.#options.workspaces.removeSpares();
    return adopted;
  }

  /** Spares that wait, and as many as are wanted. */
  get spares(): { readonly free: number; readonly wanted: number } {
    return { free: this.#spares.size, wanted: this.#options.spares().reduce((sum, { size }) => sum + size, 0) };
  }

  start(): void {
    this.#spares.start();
  }

  stop(): Promise<void> {
    this.#leaving.abort();
    return this.#spares.stop();
  }

  async #makeSpare(policy: GrantedPolicy, signal: AbortSignal): Promise<SpareSandbox> {
    const { workspaces, clock } = this.#options;
    const image = await this.#maker.image(policy, 'keep a spare');
    const workspace = await workspaces.makeSpare(workspaces.store.kind === 'btrfs' ? policy.limits.diskBytes : null);
    const nobodys = { tenant: null, session: null, workspaceName: '', labels: {}, env: {}, retain: 'delete' as const };
    const life = { createdAtMs: clock.now(), expiresAtMs: null, idleMs: policy.idleMs };
    const record = newRecord({ id: newSandboxId(), policy, ...nobodys, ...life }, workspace, image);
    const made = await this.#maker.make(record, image, 'delete', signal);
    return new SpareSandbox(made, { ...this.#options, maker: this.#maker });
  }
}

function newRecord(beginning: Beginning, workspace: WorkspaceRecord, image: ImageDetails): SandboxRecord {
  return {
    version: 1,
    ...beginning,
    workspaceId: workspace.id,
    baseEnv: baseEnv(image.env),
    uid: workspace.uid,
    gid: workspace.gid,
    slot: beginning.id.slice('sb_'.length),
    nonces: newNonces(),
    containerId: null,
    shell: 'sh',
    receipt: null,
  };
}
