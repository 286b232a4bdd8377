// Makes a sandbox out of a container: slot, control socket, container, receipt, in this order, and takes everything back
// in reverse when a step fails. Owns the order and what the engine is asked for; whose the sandbox is comes in its record.

import type { KeyObject } from 'node:crypto';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { ContainerDriver, ContainerInspect, ImageDetails } from '../container/driver.ts';
import { type SandboxGrant, type SeccompProfile, shmBytesFor } from '../container/grant.ts';
import { takeReceipt } from '../container/receipt.ts';
import { signReceipt } from '../container/receipt-signature.ts';
import { loadSeccompProfile } from '../container/seccomp-profile.ts';
import { sandboxEtcFiles } from '../container/spec-etc-files.ts';
import { containerSpec } from '../container/spec.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import { ContainerSandbox, type ContainerSandboxOptions } from './container-sandbox.ts';
import { probeShell } from './probe-shell.ts';
import type { SandboxRecord } from './sandbox-record.ts';

const START_LIMIT_MS = 20_000;

export interface ContainerMakerOptions extends Omit<ContainerSandboxOptions, 'record'> {
  readonly instanceId: string;
  readonly seccompDir: string;
  readonly receiptKey: KeyObject;
  readonly daemonVersion: string;
}

export interface MadeSandbox {
  readonly sandbox: ContainerSandbox;
  readonly grant: SandboxGrant;
  /** The engine's account that the receipt was taken from. */
  readonly inspect: ContainerInspect;
}

export interface Proof {
  readonly sandbox: ContainerSandbox;
  readonly containerId: string;
  readonly grant: SandboxGrant;
  /** Where the engine's account comes from. */
  readonly driver: Pick<ContainerDriver, 'inspect'>;
  readonly signal: AbortSignal;
}

export class ContainerMaker {
  readonly #options: ContainerMakerOptions;
  /** Image id -> shell; bounded by the operator's allowlist. */
  readonly #shells = new Map<string, 'bash' | 'sh'>();
  /** Seccomp profiles by name; the configuration's schema bounds the names. */
  readonly #profiles = new Map<string, SeccompProfile>();

  constructor(options: ContainerMakerOptions) {
    this.#options = options;
  }

  /** Starts the container of that record and proves it; `failing` says what becomes of the workspace if a step fails. */
  async make(record: SandboxRecord, image: ImageDetails, failing: 'keep' | 'delete', signal: AbortSignal): Promise<MadeSandbox> {
    const { driver, records, runtimeDirs, log } = this.#options;
    const { id, uid, gid, slot, nonces, tenant } = record;
    const sandbox = new ContainerSandbox({ ...this.#options, record });
    try {
      await records.save(record);
      await runtimeDirs.createSlot(slot, { uid, gid, files: etcFiles({ uid, gid }), nonce: Buffer.from(nonces.current, 'hex') });
      await sandbox.listen();
      const grant = await this.grant(record, image);
      const containerId = await driver.createContainer(containerSpec(grant), `cloister-${id}`, { signal });
      sandbox.created(containerId);
      await driver.start(containerId, { signal });
      await sandbox.link.waitUntilUp({ timeoutMs: START_LIMIT_MS, signal });
      let inspect: ContainerInspect | null = null;
      const remembering = { inspect: async (...call: Parameters<ContainerDriver['inspect']>) => (inspect = await driver.inspect(...call)) };
      const receipt = await this.prove({ sandbox, containerId, grant, driver: remembering, signal });
      const shell = this.#shells.get(image.id) ?? (await probeShell(sandbox.link));
      this.#shells.set(image.id, shell);
      await (tenant === null ? sandbox.stocked(shell) : sandbox.ready(receipt, shell));
      return { sandbox, grant, inspect: inspect ?? (await driver.inspect(containerId, { signal })) };
    } catch (error) {
      await sandbox
        .close(failing, 'it could not be started')
        .catch((cause: unknown) => log.error({ sandboxId: id, err: cause }, 'half-made sandbox not removed'));
      throw error;
    }
  }

  /** A receipt, or ENFORCEMENT_MISMATCH: what the kernel, init and the store say now against the grant. */
  async prove({ sandbox, containerId, grant, driver, signal }: Proof): Promise<Receipt> {
    const { workspaces, receiptKey, clock, daemonVersion } = this.#options;
    const [initReport, diskQuota] = await Promise.all([sandbox.link.report(), workspaces.quota(sandbox.record.workspaceId)]);
    return takeReceipt({
      driver,
      containerId,
      grant,
      initReport,
      diskQuota,
      sign: (receipt) => signReceipt(receipt, receiptKey),
      clock,
      daemonVersion,
      signal,
    });
  }

  /** An image that a sandbox may have; `doing` ends "Cannot". */
  async image(policy: GrantedPolicy, doing: string): Promise<ImageDetails> {
    const image = await this.#options.driver.inspectImage(policy.imageReference);
    if (image === null)
      throw new SandboxError('IMAGE_NOT_ALLOWED', `Cannot ${doing}: image ${policy.imageName} is not in the engine`, {
        hint: 'An operator adds it to the engine again, or runs npm run setup.',
      });
    if (image.volumes.length > 0)
      throw new SandboxError(
        'IMAGE_NOT_ALLOWED',
        `Cannot ${doing}: image ${policy.imageName} declares volumes (${image.volumes.join(', ')}), which no sandbox may have`,
      );
    return image;
  }

  async grant(record: SandboxRecord, image: { readonly id: string }): Promise<SandboxGrant> {
    const { workspaces, runtimeDirs, instanceId } = this.#options;
    const { policy } = record;
    const place = workspaces.place(record.workspaceId);
    const { memoryBytes, cpus, pids, tmpBytes, diskBytes } = policy.limits;
    const isWorkspaceReadonly = policy.profile.workspace === 'ro';
    return {
      sandboxId: record.id,
      instanceId,
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
        diskBytes: place.quota === 'hard' ? diskBytes : null,
        shmBytes: shmBytesFor(memoryBytes),
      },
      paths: {
        runDir: runtimeDirs.slot(record.slot).source,
        initPath: runtimeDirs.initSource,
        workspacePath: isWorkspaceReadonly ? place.readonlyPath : place.path,
      },
      workspace: { name: record.workspaceName, store: place.store, quota: place.quota },
      policySha256: policy.sha256,
      labels: {},
    };
  }

  /** Read and checked once: the file belongs to the package, which does not change under a running daemon. */
  async #seccomp(name: string): Promise<SeccompProfile> {
    const profile = this.#profiles.get(name) ?? (await loadSeccompProfile({ directory: this.#options.seccompDir, name }));
    this.#profiles.set(name, profile);
    return profile;
  }
}

const etcFiles = (identity: { uid: number; gid: number }): Record<string, string> =>
  Object.fromEntries(Object.entries(sandboxEtcFiles(identity)).map(([name, text]) => [`etc/${name}`, text]));
