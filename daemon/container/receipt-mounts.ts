// The mounts of a sandbox as the kernel shows them, against the grant. Every mount must be one that is known here, with
// at least its flags; one more is a difference, whoever made it.
import type { SandboxGrant } from './grant.ts';
import type { KernelView } from './kernel-view.ts';
import { type ContainerMountEntry, sizeOption } from './proc-text.ts';
import { compare, demand, type Difference } from './receipt-difference.ts';

interface KnownMount {
  readonly target: string;
  /** Absent: whatever the storage driver or the source has. */
  readonly fsType?: string;
  readonly flags: readonly string[];
  /** Size that a tmpfs must have. */
  readonly bytes?: number;
  /** Host path whose file must be the one seen here. */
  readonly source?: string;
  /** A sandbox without it is a difference. */
  readonly isRequired: boolean;
}

const LOCKED = ['nosuid', 'nodev', 'noexec'];
const READONLY = ['ro', 'nosuid', 'nodev'];
const ETC_FILES = ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf'];
/** Empty or read-only in the container wherever the host's kernel has them. */
const MASKED = [
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/kmsg',
  '/proc/modules',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/sys/firmware',
  '/sys/kernel/debug',
  '/sys/kernel/tracing',
];
const READONLY_PROC = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Host and container paths whose identity the kernel's view must hold for compareMountTable. */
export function pathsToIdentify(grant: SandboxGrant): { readonly files: string[]; readonly hostFiles: string[] } {
  const bound = knownMounts(grant).flatMap(({ target, source }) => (source === undefined ? [] : [{ target, source }]));
  return { files: bound.map(({ target }) => target), hostFiles: [...bound.map(({ source }) => source), ...MASKED, ...READONLY_PROC] };
}

function knownMounts({ limits, paths, profile }: SandboxGrant): KnownMount[] {
  const workspaceFlags = profile.isWorkspaceReadonly ? READONLY : ['rw', 'nosuid', 'nodev'];
  return [
    { target: '/', flags: ['ro'], isRequired: true },
    { target: '/proc', fsType: 'proc', flags: LOCKED, isRequired: true },
    { target: '/dev', fsType: 'tmpfs', flags: ['nosuid'], isRequired: true },
    { target: '/dev/pts', fsType: 'devpts', flags: ['nosuid', 'noexec'], isRequired: true },
    { target: '/dev/mqueue', fsType: 'mqueue', flags: LOCKED, isRequired: false },
    { target: '/dev/shm', fsType: 'tmpfs', flags: LOCKED, bytes: limits.shmBytes, isRequired: true },
    { target: '/sys', fsType: 'sysfs', flags: ['ro', ...LOCKED], isRequired: true },
    { target: '/tmp', fsType: 'tmpfs', flags: ['nosuid', 'nodev'], bytes: limits.tmpBytes, isRequired: true },
    { target: '/workspace', flags: workspaceFlags, source: paths.workspacePath, isRequired: true },
    { target: '/run/cloister', flags: READONLY, source: paths.runDir, isRequired: true },
    { target: '/run/cloister-init', flags: READONLY, source: paths.initPath, isRequired: true },
    ...ETC_FILES.map((name) => ({ target: `/etc/${name}`, flags: READONLY, source: `${paths.runDir}/etc/${name}`, isRequired: true })),
  ];
}

export function compareMountTable(grant: SandboxGrant, view: KernelView): Difference[] {
  const known = knownMounts(grant);
  const targets = view.mounts.map((mount) => mount.target);
  const stacked = targets.filter((target, index) => targets.indexOf(target) !== index);
  const hidden = [...MASKED, ...READONLY_PROC].filter((path) => view.hostFiles[path] !== 'absent');
  return [
    ...known
      .filter((mount) => mount.isRequired && !targets.includes(mount.target))
      .map((mount) => ({ field: `mount ${mount.target}`, expected: 'present', actual: 'absent' })),
    ...hidden
      .filter((path) => !targets.includes(path))
      .map((path) => ({ field: `mount ${path}`, expected: 'masked or read-only', actual: 'open' })),
    ...stacked.map((target) => ({ field: `mount ${target}`, expected: 'once', actual: 'mounted over' })),
    ...view.mounts.flatMap((mount) => compareOne(mount, known, view)),
  ];
}

function compareOne(mount: ContainerMountEntry, known: readonly KnownMount[], view: KernelView): Difference[] {
  const field = `mount ${mount.target}`;
  const expected = known.find(({ target }) => target === mount.target);
  if (expected === undefined)
    return isKernelMount(mount, view.mounts) ? [] : [{ field, expected: 'absent', actual: `${mount.fsType} ${mount.flags.join(',')}` }];
  const missing = expected.flags.filter((flag) => !mount.flags.includes(flag));
  return [
    ...demand(`${field} flags`, missing.length === 0, expected.flags.join(','), mount.flags.join(',')),
    ...compareFileSystem(field, expected, mount),
    ...(expected.source === undefined
      ? []
      : compare(`${field} source`, view.hostFiles[expected.source] ?? 'unknown', view.files[mount.target] ?? 'unknown')),
    // The root of a container receives what the engine mounts below it; nothing may go the other way.
    ...demand(`${field} propagation`, !mount.propagation.some((tag) => tag.startsWith('shared:')), 'private', mount.propagation.join(',')),
  ];
}

function compareFileSystem(field: string, { fsType, bytes }: KnownMount, mount: ContainerMountEntry): Difference[] {
  return [
    ...(fsType === undefined ? [] : compare(`${field} type`, fsType, mount.fsType)),
    ...(bytes === undefined
      ? []
      : demand(
          `${field} size`,
          isSize(bytes, sizeOption(mount.superOptions)),
          String(bytes),
          sizeOption(mount.superOptions) ?? 'unlimited',
        )),
    ...(mount.target === '/tmp'
      ? demand(
          `${field} inodes`,
          mount.superOptions.some((option) => /^nr_inodes=[1-9]/.test(option)),
          'limited',
          mount.superOptions.join(','),
        )
      : []),
  ];
}

const PAGE_BYTES = 65_536;
/** The kernel rounds a size up to whole pages, which have 64 KiB at most. */
const isSize = (granted: number, actual: number | undefined): boolean =>
  actual !== undefined && actual >= granted && actual < granted + PAGE_BYTES;

/** What the runtime itself lays over /proc and /sys: cgroups, masks, read-only parts. */
function isKernelMount(mount: ContainerMountEntry, all: readonly ContainerMountEntry[]): boolean {
  const has = (...flags: readonly string[]): boolean => flags.every((flag) => mount.flags.includes(flag));
  if (mount.target === '/sys/fs/cgroup')
    return (mount.fsType === 'tmpfs' && has(...LOCKED)) || (mount.fsType === 'cgroup2' && has('ro', ...LOCKED));
  if (/^\/sys\/fs\/cgroup\/[^/]+$/.test(mount.target)) return ['cgroup', 'cgroup2'].includes(mount.fsType) && has('ro', ...LOCKED);
  if (!/^\/(proc|sys)\/./.test(mount.target)) return false;
  const device = all.find(({ target }) => target === '/dev')?.device;
  const isNullDevice = mount.root === '/null' && mount.device === device && has('nosuid');
  const isEmptyDirectory = mount.fsType === 'tmpfs' && has('ro') && mount.device !== device;
  const isReadonlyPart = mount.fsType === 'proc' && has('ro', ...LOCKED) && READONLY_PROC.includes(mount.target);
  return isNullDevice || isEmptyDirectory || isReadonlyPart;
}
