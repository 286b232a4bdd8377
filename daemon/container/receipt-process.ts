// PID 1 of a sandbox as the kernel shows it, against the grant: identity, capabilities, filter, namespaces, network,
// limits. The host's view of it and init's own are compared by the same function.
import type { SandboxGrant } from './grant.ts';
import type { KernelView } from './kernel-view.ts';
import type { ProcStatus } from './proc-text.ts';
import { compare, compareSets, demand, type Difference } from './receipt-difference.ts';

const CAPABILITY_SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
const SECCOMP_FILTER = '2';
const LOWEST_OOM_SCORE_ADJ = 500;
const MOST_OPEN_FILES = 65_536;
const RELATIVE_CPU_ERROR = 1e-4;
/** Limits are kept in pages, which have 64 KiB at most. */
const PAGE_BYTES = 65_536;
/** Devices that the kernel adds to every new network namespace when their module is loaded; down, without address and route. */
const FALLBACK_DEVICES = ['erspan0', 'gre0', 'gretap0', 'ip6_vti0', 'ip6gre0', 'ip6tnl0', 'ip_vti0', 'sit0', 'tunl0'];

const words = (text: string | undefined): string[] => (text ?? 'absent').split(/\s+/).filter((word) => word !== '');

/** Identity and confinement in a /proc/PID/status text; `from` names who read it. */
export function compareStatus(from: string, { uid, gid }: SandboxGrant, status: ProcStatus): Difference[] {
  const repeat = (id: number): string[] => Array.from({ length: 4 }, () => String(id));
  const foreignGroups = words(status['Groups']).filter((group) => group !== String(gid));
  return [
    ...compare(`${from}.uid`, repeat(uid), words(status['Uid'])),
    ...compare(`${from}.gid`, repeat(gid), words(status['Gid'])),
    ...compare(`${from}.groups`, [], foreignGroups),
    ...CAPABILITY_SETS.flatMap((set) =>
      demand(`${from}.capabilities.${set}`, /^0+$/.test(status[set] ?? ''), 'none', status[set] ?? 'absent'),
    ),
    ...compare(`${from}.noNewPrivs`, '1', status['NoNewPrivs'] ?? 'absent'),
    ...compare(`${from}.seccomp.mode`, SECCOMP_FILTER, status['Seccomp'] ?? 'absent'),
    // Kernels before 5.9 do not count filters. A filter around the engine adds to the count.
    ...demand(
      `${from}.seccomp.filters`,
      status['Seccomp_filters'] === undefined || Number(status['Seccomp_filters']) >= 1,
      'at least 1',
      status['Seccomp_filters'],
    ),
    ...compare(`${from}.pid`, '1', words(status['NSpid']).at(-1) ?? 'absent'),
    ...compare(`${from}.tracer`, '0', status['TracerPid'] ?? 'absent'),
  ];
}

export function compareKernelView(grant: SandboxGrant, view: KernelView): Difference[] {
  return [
    ...compareStatus('kernel', grant, view.status),
    ...compare('kernel.executable', view.hostFiles[grant.paths.initPath] ?? 'unknown', view.executable),
    ...demand('kernel.oomScoreAdj', view.oomScoreAdj >= LOWEST_OOM_SCORE_ADJ, `at least ${LOWEST_OOM_SCORE_ADJ}`, view.oomScoreAdj),
    ...compareNamespaces(view),
    ...compareNetwork(view),
    ...compareRlimits(view),
    ...compareCgroup(grant, view),
  ];
}

/** A kind that this kernel lacks is lacking for this process, too. */
function compareNamespaces({ namespaces, ownNamespaces }: KernelView): Difference[] {
  return [
    ...compareSets('kernel.namespaces', Object.keys(ownNamespaces), Object.keys(namespaces)),
    ...Object.entries(namespaces).flatMap(([kind, value]) =>
      demand(`kernel.namespaces.${kind}`, value !== ownNamespaces[kind], 'its own', "the daemon's"),
    ),
  ];
}

export function compareNetwork({ interfaces, routes, ipv6AddressDevices }: KernelView): Difference[] {
  const silent = ({ name, bytes }: { name: string; bytes: number }): boolean => FALLBACK_DEVICES.includes(name) && bytes === 0;
  return [
    ...compare(
      'kernel.network.interfaces',
      ['lo'],
      interfaces.filter((device) => !silent(device)).map(({ name }) => name),
    ),
    ...compare(
      'kernel.network.routes',
      [],
      routes.filter(({ device }) => device !== 'lo').map(({ device, destination }) => `${destination} ${device}`),
    ),
    ...compare(
      'kernel.network.addresses',
      [],
      ipv6AddressDevices.filter((device) => device !== 'lo'),
    ),
  ];
}

function compareRlimits({ limits }: KernelView): Difference[] {
  const hard = (name: string): number => limits[name]?.hard ?? Number.POSITIVE_INFINITY;
  return [
    ...compare('kernel.limits.core', 0, hard('Max core file size')),
    ...demand('kernel.limits.nofile', hard('Max open files') <= MOST_OPEN_FILES, `at most ${MOST_OPEN_FILES}`, hard('Max open files')),
    ...demand('kernel.limits.fsize', Number.isFinite(hard('Max file size')), 'limited', 'unlimited'),
    ...demand('kernel.limits.memlock', Number.isFinite(hard('Max locked memory')), 'limited', 'unlimited'),
    ...compare('kernel.limits.rtprio', 0, hard('Max realtime priority')),
    ...compare('kernel.limits.nice', 0, hard('Max nice priority')),
  ];
}

export function compareCgroup({ limits }: SandboxGrant, { cgroup }: KernelView): Difference[] {
  const isMemory = cgroup.memoryBytes <= limits.memoryBytes && cgroup.memoryBytes > limits.memoryBytes - PAGE_BYTES;
  const isWithoutSwap = cgroup.swapBytes === 0 || (cgroup.swapBytes === undefined && !cgroup.hostHasSwap);
  return [
    ...demand('kernel.cgroup.memory', isMemory, String(limits.memoryBytes), cgroup.memoryBytes),
    ...demand('kernel.cgroup.swap', isWithoutSwap, '0', cgroup.swapBytes ?? 'not accounted, and the host has swap'),
    ...compare('kernel.cgroup.pids', limits.pids, cgroup.pids),
    ...demand(
      'kernel.cgroup.cpus',
      Math.abs(cgroup.cpus - limits.cpus) <= RELATIVE_CPU_ERROR * limits.cpus + 1e-5,
      String(limits.cpus),
      cgroup.cpus,
    ),
  ];
}
