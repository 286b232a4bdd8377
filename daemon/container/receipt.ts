// Takes the enforcement receipt of a running sandbox before any tenant code runs in it: reads back, compares, states.
// Owns the order of these steps; what must hold is in receipt-verify.ts, and ending a refused sandbox is the caller's.
import type { Receipt } from '../../client/protocol/receipt.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { CallOptions, ContainerDriver } from './driver.ts';
import type { SandboxGrant } from './grant.ts';
import { type KernelView, readKernelView } from './kernel-view.ts';
import { parseStatus } from './proc-text.ts';
import type { Difference } from './receipt-difference.ts';
import { isGvisor } from './receipt-gvisor.ts';
import { pathsToIdentify } from './receipt-mounts.ts';
import type { UnsignedReceipt } from '../../client/protocol/receipt-text.ts';
import { type Evidence, type InitReport, verifyEnforcement } from './receipt-verify.ts';

export interface TakeReceiptOptions extends CallOptions {
  readonly driver: Pick<ContainerDriver, 'inspect'>;
  readonly containerId: string;
  readonly grant: SandboxGrant;
  readonly initReport: InitReport;
  /** The workspace's limit as its store reads it back. */
  readonly diskQuota: Evidence['diskQuota'];
  readonly sign: (receipt: UnsignedReceipt) => Receipt;
  readonly clock: { now(): number };
  readonly daemonVersion: string;
  readonly procRoot?: string | undefined;
  readonly cgroupRoot?: string | undefined;
}

/** Fails with ENFORCEMENT_MISMATCH, naming every difference, unless the sandbox is exactly what was granted. */
export async function takeReceipt(options: TakeReceiptOptions): Promise<Receipt> {
  const { driver, containerId, grant, initReport, diskQuota, clock } = options;
  const inspect = await driver.inspect(containerId, { signal: options.signal, timeoutMs: options.timeoutMs });
  if (!inspect.State.Running || inspect.State.Pid <= 0) {
    throw new SandboxError('SANDBOX_FAILED', `Cannot take a receipt: the container is ${inspect.State.Status}`);
  }
  const kernelView = await readKernelView({
    pid: inspect.State.Pid,
    containerId: inspect.Id,
    ...pathsToIdentify(grant),
    procRoot: options.procRoot,
    cgroupRoot: options.cgroupRoot,
  });
  const differences = verifyEnforcement({ grant, inspect, kernelView, initReport, diskQuota });
  if (differences.length > 0) throw mismatch(differences);
  return options.sign({
    ...statement(grant, isGvisor(grant.runtime) ? insideView(kernelView, initReport) : kernelView),
    runtime: inspect.HostConfig.Runtime,
    image: { name: grant.image.name, id: inspect.Image },
    limits: {
      memoryBytes: inspect.HostConfig.Memory,
      cpus: inspect.HostConfig.NanoCpus / 1e9,
      pids: kernelView.cgroup.pids,
      diskBytes: diskQuota.maxBytes,
      tmpBytes: grant.limits.tmpBytes,
    },
    at: new Date(clock.now()).toISOString(),
    daemonVersion: options.daemonVersion,
  });
}

/** Under gVisor identity and filter are as init sees them, and no mount is stated. What the sentry does not say holds for the sentry itself. */
function insideView(view: KernelView, report: InitReport): KernelView {
  return { ...view, status: { ...view.status, ...parseStatus(report.procStatus) }, mounts: [] };
}

/** The rest of the receipt: what the kernel showed, and the names of what was granted. */
function statement(grant: SandboxGrant, { status, mounts, interfaces, routes }: KernelView) {
  return {
    sandboxId: grant.sandboxId,
    uid: Number(status['Uid']?.split(/\s+/)[0]),
    gid: Number(status['Gid']?.split(/\s+/)[0]),
    // Each set was just seen to be zero.
    capabilities: { inheritable: [], permitted: [], effective: [], bounding: [], ambient: [] },
    noNewPrivs: status['NoNewPrivs'] === '1',
    seccomp: { mode: Number(status['Seccomp']), profile: grant.profile.seccomp.name, sha256: grant.profile.seccomp.sha256 },
    mounts: mounts.map(({ target, flags }) => ({ target, flags: [...flags] })),
    network: {
      interfaces: interfaces.map(({ name }) => name),
      routes: routes.filter(({ device }) => device !== 'lo').map(({ device, destination }) => `${destination} ${device}`),
    },
    workspace: { ...grant.workspace },
    profile: grant.profile.name,
    policySha256: grant.policySha256,
  };
}

function mismatch(differences: readonly Difference[]): SandboxError {
  const listed = differences.map(({ field, expected, actual }) => `${field}: expected ${expected}, got ${actual}`);
  return new SandboxError(
    'ENFORCEMENT_MISMATCH',
    `Cannot hand out the sandbox: the kernel enforces something else than was granted (${listed.join('; ')})`,
  );
}
