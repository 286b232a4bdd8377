// Whether a sandbox is what was granted: the engine's account, the kernel's, init's own and the store's, each against
// the grant. Pure, and independent of spec.ts: it must not import it, so that one mistake is not made twice.
import { z } from 'zod';
import type { ContainerInspect } from './driver.ts';
import type { SandboxGrant } from './grant.ts';
import type { KernelView } from './kernel-view.ts';
import { parseStatus } from './proc-text.ts';
import { compare, demand, type Difference } from './receipt-difference.ts';
import { compareInside, compareSentry, isGvisor } from './receipt-gvisor.ts';
import { compareInspect } from './receipt-inspect.ts';
import { compareMountTable } from './receipt-mounts.ts';
import { compareKernelView, compareStatus } from './receipt-process.ts';

const Errno = z.int().min(0).max(4095);

/** What init says of itself: the errno of calls that must be refused, 0 when one was not. */
export const InitReport = z.strictObject({
  pid: z.int(),
  /** Text of /proc/self/status as init sees it. */
  procStatus: z.string().max(16_384),
  mountErrno: Errno,
  unshareErrno: Errno,
  bpfErrno: Errno,
  afAlgErrno: Errno,
  ptraceErrno: Errno,
});
export type InitReport = z.infer<typeof InitReport>;

export interface Evidence {
  readonly grant: SandboxGrant;
  readonly inspect: ContainerInspect;
  readonly kernelView: KernelView;
  readonly initReport: InitReport;
  /** The limit of the workspace as its store reads it back; null for none. */
  readonly diskQuota: { readonly maxBytes: number | null };
}

const EPERM = 1;
/** The profile under which tracing is part of the grant. */
const TRACING_PROFILE = 'debug';

/** Everything that differs from the grant, in no order; empty when the sandbox is what was granted. */
export function verifyEnforcement({ grant, inspect, kernelView, initReport, diskQuota }: Evidence): Difference[] {
  return [
    ...compareInspect(grant, inspect),
    ...compare('inspect.State.Pid', kernelView.pid, inspect.State.Pid),
    ...(isGvisor(grant.runtime) ? compareSentry(grant, kernelView) : compareKernelView(grant, kernelView)),
    ...(isGvisor(grant.runtime) ? [] : compareMountTable(grant, kernelView)),
    ...compareInitReport(grant, initReport),
    ...compare('workspace.maxBytes', grant.limits.diskBytes, diskQuota.maxBytes),
  ];
}

function compareInitReport(grant: SandboxGrant, report: InitReport): Difference[] {
  const refused = { mount: report.mountErrno, unshare: report.unshareErrno, bpf: report.bpfErrno, 'socket(AF_ALG)': report.afAlgErrno };
  const mayTrace = grant.profile.seccomp.name === TRACING_PROFILE;
  return [
    ...compare('init.pid', 1, report.pid),
    ...(isGvisor(grant.runtime)
      ? compareInside(grant, parseStatus(report.procStatus))
      : compareStatus('init.status', grant, parseStatus(report.procStatus))),
    ...Object.entries(refused).flatMap(([call, errno]) => compare(`init.refused.${call}`, EPERM, errno)),
    ...demand('init.refused.ptrace', mayTrace || report.ptraceErrno === EPERM, String(EPERM), report.ptraceErrno),
  ];
}
