// Makes sandboxes out of containers: workspace, slot, control socket, container, receipt, in this order, and takes
// everything back in reverse when a step fails. Owns the order; each part owns itself.

import type { KeyObject } from 'node:crypto';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { EgressDecision } from '../../client/protocol/exec.ts';
import type { ContainerDriver, ImageDetails } from '../container/driver.ts';
import { type SandboxGrant, type SeccompProfile, shmBytesFor } from '../container/grant.ts';
import { takeReceipt } from '../container/receipt.ts';
import { signReceipt } from '../container/receipt-signature.ts';
import { loadSeccompProfile } from '../container/seccomp-profile.ts';
import { sandboxEtcFiles } from '../container/spec-etc-files.ts';
import { containerSpec } from '../container/spec.ts';
import type { EgressProcess } from '../egress/egress-process.ts';
import type { SpoolStore } from '../exec/spool-store.ts';
import { newNonces } from '../link/control-listener.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { RuntimeDirs } from '../workspace/runtime-dirs.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import { adoptSandboxes } from './adoption.ts';
import { baseEnv } from './base-env.ts';
import type { Confirmation } from './confirmations.ts';
import { ContainerSandbox } from './container-sandbox.ts';
import { probeShell } from './probe-shell.ts';
import type { AdoptedSandbox, RunningSandbox, SandboxMaker, SandboxOrder } from './running-sandbox.ts';
import type { SandboxRecord, SandboxRecords } from './sandbox-record.ts';

const START_LIMIT_MS = 20_000;

export interface SandboxFactoryOptions {
  readonly driver: ContainerDriver;
  readonly instanceId: string;
  readonly stateDir: string;
  readonly seccompDir: string;
  readonly runtimeDirs: RuntimeDirs;
  readonly workspaces: WorkspaceKeeper;
  readonly records: SandboxRecords;
  readonly spools: SpoolStore;
  readonly egress: EgressProcess;
  readonly onEgress: (record: SandboxRecord, decision: EgressDecision) => void;
  readonly onAsk: (record: SandboxRecord, decision: EgressDecision) => Promise<Confirmation>;
  readonly receiptKey: KeyObject;
  readonly clock: Clock;
  readonly log: Log;
  readonly daemonVersion: string;
}

export class SandboxFactory implements SandboxMaker {
  readonly #options: SandboxFactoryOptions;
  /** Image id -> shell; bounded by the operator's allowlist. */
  readonly #shells = new Map<string, 'bash' | 'sh'>();

  /** Seccomp profiles by name; the configuration's schema bounds the names. */
  readonly #profiles = new Map<string, SeccompProfile>();

  constructor(options: SandboxFactoryOptions) {
    this.#options = options;
  }

  async make(order: SandboxOrder, signal: AbortSignal): Promise<RunningSandbox> {
    const { driver, workspaces, records, runtimeDirs } = this.#options;
    signal.throwIfAborted();
    const image = await this.#image(order);
    const hasQuota = workspaces.store.kind === 'btrfs';
    const workspace = await workspaces.claim({
      tenant: order.tenant,
      name: order.workspaceName,
      retain: order.retain,
      maxBytes: hasQuota ? order.policy.limits.diskBytes : null,
    });
    const { uid, gid } = workspace.record;
    const nonces = newNonces();
    const slot = order.id.slice('sb_'.length);
    const record: SandboxRecord = {
      version: 1,
      id: order.id,
      tenant: order.tenant,
      session: order.session,
      workspaceName: order.workspaceName,
      workspaceId: workspace.record.id,
      policy: order.policy,
      labels: order.labels,
      env: { ...order.env },
      baseEnv: baseEnv(image.env),
      retain: order.retain,
      createdAtMs: order.createdAtMs,
      expiresAtMs: order.expiresAtMs,
      idleMs: order.idleMs,
      uid,
      gid,
      slot,
      nonces,
      containerId: null,
      shell: 'sh',
      receipt: null,
    };
    const sandbox = new ContainerSandbox({ ...this.#options, record });
    try {
      await records.save(record);
      await runtimeDirs.createSlot(slot, { uid, gid, files: etcFiles({ uid, gid }), nonce: Buffer.from(nonces.current, 'hex') });
      await sandbox.listen();
      const grant = await this.#grant(order, record, image);
      const containerId = await driver.createContainer(containerSpec(grant), `cloister-${order.id}`, { signal });
      sandbox.created(containerId);
      // Nothing of the tenant's runs before the receipt, so its quota can be read while the engine starts the container.
      const [diskQuota] = await Promise.all([
        workspaces.store.quota(workspace.record.id),
        driver.start(containerId, { signal }).then(() => sandbox.link.waitUntilUp({ timeoutMs: START_LIMIT_MS, signal })),
      ]);
      const receipt = await takeReceipt({
        driver,
        containerId,
        grant,
        initReport: await sandbox.link.report(),
        diskQuota,
        sign: (receipt) => signReceipt(receipt, this.#options.receiptKey),
        clock: this.#options.clock,
        daemonVersion: this.#options.daemonVersion,
      });
      const shell = this.#shells.get(image.id) ?? (await probeShell(sandbox.link));
      this.#shells.set(image.id, shell);
      await sandbox.ready(receipt, shell);
      return sandbox;
    } catch (error) {
      // A workspace made for this sandbox alone goes with it; an older one is somebody's files.
      await sandbox
        .close(workspace.isNew ? 'delete' : 'keep', 'it could not be started')
        .catch((cause: unknown) => this.#options.log.error({ sandboxId: order.id, err: cause }, 'half-made sandbox not removed'));
      throw error;
    }
  }

  adopt(): Promise<readonly AdoptedSandbox[]> {
    return adoptSandboxes(this.#options);
  }

  async #image(order: SandboxOrder): Promise<ImageDetails> {
    const image = await this.#options.driver.inspectImage(order.policy.imageReference);
    if (image === null)
      throw new SandboxError(
        'IMAGE_NOT_ALLOWED',
        `Cannot open session ${order.session}: image ${order.policy.imageName} is not in the engine`,
        { hint: 'An operator adds it to the engine again, or runs npm run setup.' },
      );
    if (image.volumes.length > 0)
      throw new SandboxError(
        'IMAGE_NOT_ALLOWED',
        `Cannot open session ${order.session}: image ${order.policy.imageName} declares volumes (${image.volumes.join(', ')}), which no sandbox may have`,
      );
    return image;
  }

  /** Read and checked once: the file belongs to the package, which does not change under a running daemon. */
  async #seccomp(name: string): Promise<SeccompProfile> {
    const profile = this.#profiles.get(name) ?? (await loadSeccompProfile({ directory: this.#options.seccompDir, name }));
    this.#profiles.set(name, profile);
    return profile;
  }

  async #grant(order: SandboxOrder, record: SandboxRecord, image: ImageDetails): Promise<SandboxGrant> {
    const { workspaces, runtimeDirs, instanceId } = this.#options;
    const { policy } = order;
    const { store } = workspaces;
    const { memoryBytes, cpus, pids, tmpBytes, diskBytes } = policy.limits;
    const isWorkspaceReadonly = policy.profile.workspace === 'ro';
    return {
      sandboxId: order.id,
      instanceId,
      tenant: order.tenant,
      session: order.session,
      image: { name: policy.imageName, id: image.id },
      runtime: policy.runtime,
      profile: { name: policy.profileName, isWorkspaceReadonly, seccomp: await this.#seccomp(policy.profile.seccomp) },
      uid: record.uid,
      gid: record.gid,
      limits: {
        memoryBytes,
        cpus,
        pids,
        tmpBytes,
        diskBytes: store.kind === 'btrfs' ? diskBytes : null,
        shmBytes: shmBytesFor(memoryBytes),
      },
      paths: {
        runDir: runtimeDirs.slot(record.slot).source,
        initPath: runtimeDirs.initSource,
        workspacePath: isWorkspaceReadonly ? store.readonlyPath(record.workspaceId) : store.path(record.workspaceId),
      },
      workspace: { name: order.workspaceName, store: store.kind, quota: store.kind === 'btrfs' ? 'hard' : 'none' },
      policySha256: policy.sha256,
      labels: {},
    };
  }
}

const etcFiles = (identity: { uid: number; gid: number }): Record<string, string> =>
  Object.fromEntries(Object.entries(sandboxEtcFiles(identity)).map(([name, text]) => [`etc/${name}`, text]));
