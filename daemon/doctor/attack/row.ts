// What a row of the attack suite is: one escape that is tried in a sandbox, and what must come of it. Rows are data; who
// runs them is the doctor on a host, and the tests, which also switch off the controls that a row names.

export const ATTACK_AREAS = ['identity', 'files', 'kernel', 'system calls', 'network', 'limits'] as const;
export type AttackArea = (typeof ATTACK_AREAS)[number];

/** The walls of a sandbox, each with what an operator does when one does not stand. */
export const CONTROLS = {
  identity: 'Look for what changed the user of the container: user namespaces or an authorization plugin of the engine.',
  groups: 'Look for what adds groups to containers on this engine.',
  capabilities: 'Look for what gives containers capabilities on this engine: an authorization plugin, a patched runtime.',
  noNewPrivileges: 'Use a runtime that keeps no_new_privs: runc from 1.0 on.',
  seccomp: 'Use an engine and a kernel with seccomp filters, and restore seccomp/ from the package.',
  readOnlyRoot: 'Use a storage driver and a runtime that keep the root read-only.',
  maskedPaths: 'Use an engine that takes MaskedPaths: 20.10 or newer.',
  readOnlyPaths: 'Use an engine that takes ReadonlyPaths: 20.10 or newer.',
  mounts: 'Look for what mounts more into containers on this engine.',
  workspaceMount: 'Use a runtime that keeps nosuid and nodev of what it mounts: runc.',
  runDirectory: 'Use a runtime that keeps what it mounts read-only: runc.',
  etcFiles: 'Look for what replaces /etc/resolv.conf and /etc/hosts in containers on this engine.',
  devices: 'Look for what adds devices to containers on this engine.',
  cgroupMount: 'Use a runtime that mounts cgroups read-only, and look for what makes containers privileged on this engine.',
  processNamespace: 'Use a runtime and a kernel with pid namespaces.',
  ipcNamespace: 'Use a runtime and a kernel with ipc namespaces.',
  hostName: 'Use a runtime and a kernel with uts namespaces.',
  cgroupNamespace: 'Use a kernel with cgroup namespaces: 4.6 or newer.',
  network: 'Use a runtime and a kernel with network namespaces, and look for plugins that attach containers to networks.',
  memory: 'Enable the memory controller of the cgroups.',
  cpu: 'Enable CFS quotas in the kernel and the cpu controller of the cgroups.',
  processes: 'Enable the pids controller of the cgroups.',
  ulimits: 'Look for what raises ulimits of containers on this engine.',
  tmpSize: 'Use a runtime that keeps the options of a tmpfs.',
  shmSize: 'Use an engine that keeps ShmSize.',
  oomScore: 'Look for what lowers OOM scores of containers on this engine.',
  diskQuota: 'Use the btrfs store: without it workspaces have no limit.',
  image: 'Build the image without setuid and setgid files.',
  init: 'Restore cloister-init: npm run setup.',
} as const satisfies Readonly<Record<string, string>>;
export type ControlName = keyof typeof CONTROLS;

/** Something of the kernel that the attack goes against; a kernel without it needs no wall there. */
export interface KernelPart {
  readonly name: string;
  /** One of its functions, as /proc/kallsyms names it. */
  readonly symbol: string;
  /** The module it comes in where it is not built in. */
  readonly module: string | null;
}

export interface AttackRow {
  readonly id: string;
  readonly area: AttackArea;
  /** What holds if the row passes. */
  readonly claim: string;
  /** The walls against it. With these gone, and no other, it succeeds; none: no setting of a container takes the wall away. */
  readonly controls: readonly ControlName[];
  /** Run by `sh -c`. */
  readonly command: string;
  /** Found in stdout and stderr together. */
  readonly expected: RegExp;
  /** Fills or exhausts something: only where limits are small. */
  readonly isLimited?: true;
  /** Without it the row says nothing. */
  readonly needs?: KernelPart;
  /** Machine that it is written for, as uname says it. */
  readonly machine?: string;
  /** A second wall behind others: its lack is told and fails nothing. */
  readonly isBelt?: true;
}
