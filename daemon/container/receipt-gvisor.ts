// A sandbox under gVisor against the grant. The host's kernel shows the sentry and not PID 1: what it can prove is the
// cgroup, the namespaces and the network around all of it, and the sentry's own confinement. Identity, capabilities and
// the filter of PID 1 are the sentry's word, as init reads it inside; mounts nobody but the engine can name, so none is stated.
import type { SandboxGrant } from './grant.ts';
import type { KernelView } from './kernel-view.ts';
import type { ProcStatus } from './proc-text.ts';
import { compare, demand, type Difference } from './receipt-difference.ts';
import { compareCgroup, compareNetwork } from './receipt-process.ts';

/** Of the runtime, as the engine's configuration names it. */
export const isGvisor = (runtime: string): boolean => runtime === 'runsc';

const SECCOMP_FILTER = '2';
const OWN_NAMESPACES = ['mnt', 'net', 'ipc', 'uts'] as const;
const CAPABILITY_SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd'] as const;

export function compareSentry(grant: SandboxGrant, view: KernelView): Difference[] {
  return [
    ...compare('kernel.sentry.noNewPrivs', '1', view.status['NoNewPrivs'] ?? 'absent'),
    ...compare('kernel.sentry.seccomp.mode', SECCOMP_FILTER, view.status['Seccomp'] ?? 'absent'),
    ...demand('kernel.sentry.uid', !/^0\b/.test(view.status['Uid'] ?? '0'), 'not 0', view.status['Uid']),
    // Processes and cgroups of the sandbox are the sentry's own invention: it has no namespaces of these kinds, and needs none.
    ...OWN_NAMESPACES.flatMap((kind) =>
      demand(
        `kernel.sentry.namespaces.${kind}`,
        view.namespaces[kind] !== undefined && view.namespaces[kind] !== view.ownNamespaces[kind],
        'its own',
        "the daemon's",
      ),
    ),
    ...compareNetwork(view),
    ...compareCgroup(grant, view),
  ];
}

/** Of what gVisor's /proc/self/status says: it knows no ambient set, no NoNewPrivs and no count of filters. */
export function compareInside({ uid, gid }: SandboxGrant, status: ProcStatus): Difference[] {
  const repeat = (id: number): string => Array.from({ length: 4 }, () => String(id)).join(' ');
  const said = (name: string): string => (status[name] ?? 'absent').split(/\s+/).join(' ');
  return [
    ...compare('init.status.uid', repeat(uid), said('Uid')),
    ...compare('init.status.gid', repeat(gid), said('Gid')),
    ...CAPABILITY_SETS.flatMap((set) => demand(`init.status.capabilities.${set}`, /^0+$/.test(said(set)), 'none', said(set))),
    ...compare('init.status.seccomp.mode', SECCOMP_FILTER, said('Seccomp')),
  ];
}
