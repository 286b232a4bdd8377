// What the host's kernel says about a container's PID 1, read from /proc and the cgroup file systems. Reads and parses;
// judges nothing and knows nothing of what was granted.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
import { readCgroupLimits, type CgroupLimits } from './kernel-view-cgroup.ts';
import * as proc from './proc-text.ts';

const NAMESPACES = ['pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'] as const;

export interface KernelView {
  readonly pid: number;
  readonly status: proc.ProcStatus;
  readonly mounts: readonly proc.ContainerMountEntry[];
  readonly interfaces: readonly proc.InterfaceCounters[];
  readonly routes: readonly proc.Route[];
  /** Devices that have an IPv6 address. */
  readonly ipv6AddressDevices: readonly string[];
  /** Kind to `kind:[inode]`; a kind the kernel lacks is absent. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** The same of this process. */
  readonly ownNamespaces: Readonly<Record<string, string>>;
  /** `device:inode` of the program that PID 1 runs. */
  readonly executable: string;
  /** Path in the container to `device:inode` of what is there; `absent` where nothing is. */
  readonly files: Readonly<Record<string, string>>;
  /** The same of paths on the host. */
  readonly hostFiles: Readonly<Record<string, string>>;
  readonly oomScoreAdj: number;
  readonly limits: Readonly<Record<string, proc.ResourceLimit>>;
  readonly cgroup: CgroupLimits;
}

export interface KernelViewOptions {
  readonly pid: number;
  readonly containerId: string;
  /** Paths whose identity is read, in the container and on the host. */
  readonly files: readonly string[];
  readonly hostFiles: readonly string[];
  readonly procRoot?: string | undefined;
  readonly cgroupRoot?: string | undefined;
}

/** Fails with SANDBOX_FAILED when the process is gone, or is no longer the container's PID 1. */
export async function readKernelView(options: KernelViewOptions): Promise<KernelView> {
  const { pid, containerId, procRoot = '/proc', cgroupRoot = '/sys/fs/cgroup' } = options;
  const base = join(procRoot, String(pid));
  // At once and not through the thread pool: the kernel answers from memory, and a hundred hops cost more than they free.
  const text = async (name: string): Promise<string> => readFileSync(join(base, name), 'utf8');
  try {
    // A process id is used again after its process ends: it is checked before and after everything else is read.
    const cgroupText = requireContainer(await text('cgroup'), options);
    const [
      status,
      mountinfo,
      dev,
      ipv4,
      ipv6,
      ipv6Addresses,
      namespaces,
      ownNamespaces,
      executable,
      files,
      hostFiles,
      oom,
      limits,
      cgroup,
    ] = await Promise.all([
      text('status'),
      text('mountinfo'),
      text('net/dev'),
      text('net/route'),
      orEmpty(text('net/ipv6_route')),
      orEmpty(text('net/if_inet6')),
      namespacesOf(base),
      namespacesOf(join(procRoot, 'self')),
      identity(join(base, 'exe')),
      identities(options.files, (path) => join(base, 'root', path)),
      identities(options.hostFiles, (path) => path),
      text('oom_score_adj'),
      text('limits'),
      readCgroupLimits({ cgroupText, cgroupRoot, procRoot }),
    ]);
    requireContainer(await text('cgroup'), options);
    return {
      pid,
      status: proc.parseStatus(status),
      mounts: proc.parseMounts(mountinfo),
      interfaces: proc.parseInterfaces(dev),
      routes: [...proc.parseIpv4Routes(ipv4), ...proc.parseIpv6Routes(ipv6)],
      ipv6AddressDevices: proc.parseIpv6AddressDevices(ipv6Addresses),
      namespaces,
      ownNamespaces,
      executable,
      files,
      hostFiles,
      oomScoreAdj: Number(oom),
      limits: proc.parseLimits(limits),
      cgroup,
    };
  } catch (error) {
    if (SandboxError.is(error)) throw error;
    throw new SandboxError(
      'SANDBOX_FAILED',
      `Cannot read the kernel's view of container ${containerId.slice(0, 12)}: ${(error as Error).message}`,
      {
        hint: "The sandbox ended, or the daemon does not see the host's /proc and cgroups (pid: host in Compose).",
        cause: error,
      },
    );
  }
}

function requireContainer(cgroupText: string, { pid, containerId }: KernelViewOptions): string {
  if (cgroupText.includes(containerId)) return cgroupText;
  throw new SandboxError(
    'SANDBOX_FAILED',
    `Cannot read the kernel's view of container ${containerId.slice(0, 12)}: process ${pid} is not in its cgroup`,
    {
      hint: "The sandbox ended, or the daemon does not see the host's cgroups.",
    },
  );
}

const isAbsent = (error: NodeJS.ErrnoException): boolean => error.code === 'ENOENT' || error.code === 'ENOTDIR';

const orEmpty = (reading: Promise<string>): Promise<string> =>
  reading.catch((error: NodeJS.ErrnoException) => {
    if (isAbsent(error)) return '';
    throw error;
  });

const link = async (path: string): Promise<string> => readlinkSync(path);

async function namespacesOf(base: string): Promise<Record<string, string>> {
  const pairs = await Promise.all(NAMESPACES.map(async (kind) => [kind, await orEmpty(link(join(base, 'ns', kind)))] as const));
  return Object.fromEntries(pairs.filter(([, value]) => value !== ''));
}

async function identity(path: string): Promise<string> {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

async function identities(paths: readonly string[], at: (path: string) => string): Promise<Record<string, string>> {
  const pairs = paths.map(async (path) => [path, (await orEmpty(identity(at(path)))) || 'absent'] as const);
  return Object.fromEntries(await Promise.all(pairs));
}
