// Evidence of a sandbox that is exactly what was granted, as plain data that tests alter one field at a time.
import { createHash } from 'node:crypto';
import { containerInspectSchema } from '../../../daemon/container/docker-replies.ts';
import type { SandboxGrant } from '../../../daemon/container/grant.ts';
import * as proc from '../../../daemon/container/proc-text.ts';
import type { Evidence } from '../../../daemon/container/receipt-verify.ts';

const MEBIBYTE = 1024 * 1024;
const SECCOMP_JSON = '{"defaultAction":"SCMP_ACT_ERRNO"}';
const ETC_FILES = ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf'];
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
const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export const GRANT: SandboxGrant = {
  sandboxId: 'sb1',
  instanceId: 'i1',
  image: { name: 'base', id: `sha256:${'a'.repeat(64)}` },
  runtime: 'runc',
  profile: {
    name: 'workspace-write',
    isWorkspaceReadonly: false,
    seccomp: { name: 'strict', json: SECCOMP_JSON, sha256: createHash('sha256').update(SECCOMP_JSON).digest('hex') },
  },
  uid: 200_001,
  gid: 200_001,
  limits: {
    memoryBytes: 512 * MEBIBYTE,
    cpus: 1,
    pids: 256,
    diskBytes: 1024 * MEBIBYTE,
    tmpBytes: 128 * MEBIBYTE,
    shmBytes: 64 * MEBIBYTE,
  },
  paths: { runDir: '/state/run-ro/s1', initPath: '/state/lib-ro/cloister-init', workspacePath: '/state/pool/ws/w1' },
  workspace: { name: 'main', store: 'btrfs', quota: 'hard' },
  policySha256: '0'.repeat(64),
  labels: {},
};

const STATUS = `Name:	cloister-init
TracerPid:	0
Uid:	200001	200001	200001	200001
Gid:	200001	200001	200001	200001
Groups:	200001
NSpid:	6483	1
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	1
`;

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max file size             1073741824           1073741824           bytes
Max core file size        0                    0                    bytes
Max open files            4096                 16384                files
Max locked memory         65536                65536                bytes
Max nice priority         0                    0
Max realtime priority     0                    0
`;

const MOUNTS = `88 56 0:43 / / ro,relatime master:2 - overlay overlay rw
89 88 0:46 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
90 88 0:47 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
91 90 0:48 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5
92 88 0:49 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
93 92 0:50 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
94 93 0:29 /docker/id /sys/fs/cgroup/cpu ro,nosuid,nodev,noexec,relatime - cgroup cgroup rw,cpu
103 90 0:45 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
104 90 0:51 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
105 88 0:41 /ws/w1 /workspace rw,nosuid,nodev,relatime - btrfs /dev/loop0 rw
106 88 0:52 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=131072k,nr_inodes=16384
109 88 0:42 /s1 /run/cloister ro,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw
110 88 0:44 /cloister-init /run/cloister-init ro,nosuid,nodev,relatime - ext4 /dev/vda rw
${ETC_FILES.map((name, index) => `${120 + index} 88 0:42 /s1/etc/${name} /etc/${name} ro,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw`).join('\n')}
60 89 0:46 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
61 89 0:53 / /proc/acpi ro,relatime - tmpfs tmpfs ro
64 89 0:47 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
`;

const bound: readonly (readonly [string, string])[] = [
  [GRANT.paths.runDir, '/run/cloister'],
  [GRANT.paths.initPath, '/run/cloister-init'],
  [GRANT.paths.workspacePath, '/workspace'],
  ...ETC_FILES.map((name) => [`${GRANT.paths.runDir}/etc/${name}`, `/etc/${name}`] as const),
];
const identityOf = (source: string): string => `41:${bound.findIndex(([path]) => path === source) + 1000}`;
/** What of the masked and read-only paths the kernel of the fixture has. */
const PRESENT = ['/proc/acpi', '/proc/keys', '/proc/sys'];

const RAW_INSPECT = {
  Id: 'c'.repeat(64),
  Name: '/sandbox',
  Created: '2030-01-01T00:00:00Z',
  Image: GRANT.image.id,
  Path: '/run/cloister-init',
  Args: [],
  RestartCount: 0,
  State: { Status: 'running', Running: true, Paused: false, OOMKilled: false, Dead: false, Pid: 6483, ExitCode: 0 },
  Config: {
    Hostname: 'sandbox',
    User: '200001:200001',
    WorkingDir: '/workspace',
    Tty: false,
    OpenStdin: false,
    Healthcheck: { Test: ['NONE'] },
    Labels: { 'cloister.instance': 'i1', 'cloister.sandbox': 'sb1', 'cloister.role': 'sandbox' },
  },
  HostConfig: {
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: true,
    AutoRemove: false,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true', `seccomp=${SECCOMP_JSON}`],
    IpcMode: 'private',
    CgroupnsMode: 'private',
    NetworkMode: 'none',
    Runtime: 'runc',
    Tmpfs: { '/tmp': 'rw' },
    PidsLimit: 256,
    Memory: 512 * MEBIBYTE,
    MemorySwap: 512 * MEBIBYTE,
    NanoCpus: 1e9,
    OomScoreAdj: 500,
    ShmSize: 64 * MEBIBYTE,
    MaskedPaths: MASKED,
    ReadonlyPaths: READONLY,
    RestartPolicy: { Name: 'no' },
    LogConfig: { Type: 'none' },
  },
  Mounts: bound.map(([Source, Destination]) => ({ Type: 'bind', Source, Destination, RW: true, Propagation: 'rprivate' })),
  NetworkSettings: { Networks: { none: {} } },
};

/** A copy of its own for each caller. */
export function cleanEvidence(): Evidence {
  return structuredClone<Evidence>({
    grant: GRANT,
    inspect: containerInspectSchema.parse(RAW_INSPECT),
    kernelView: {
      pid: 6483,
      status: proc.parseStatus(STATUS),
      mounts: proc.parseMounts(MOUNTS),
      interfaces: [{ name: 'lo', bytes: 0 }],
      routes: [{ device: 'lo', destination: `${'0'.repeat(32)}/00` }],
      ipv6AddressDevices: ['lo'],
      namespaces: { pid: 'pid:[2]', mnt: 'mnt:[2]', net: 'net:[2]', ipc: 'ipc:[2]', uts: 'uts:[2]', cgroup: 'cgroup:[2]' },
      ownNamespaces: { pid: 'pid:[1]', mnt: 'mnt:[1]', net: 'net:[1]', ipc: 'ipc:[1]', uts: 'uts:[1]', cgroup: 'cgroup:[1]' },
      executable: identityOf(GRANT.paths.initPath),
      files: Object.fromEntries(bound.map(([source, target]) => [target, identityOf(source)])),
      hostFiles: Object.fromEntries([
        ...bound.map(([source]) => [source, identityOf(source)] as const),
        ...[...MASKED, ...READONLY].map((path) => [path, PRESENT.includes(path) ? '22:1' : 'absent'] as const),
      ]),
      oomScoreAdj: 500,
      limits: proc.parseLimits(LIMITS),
      cgroup: { version: 1, memoryBytes: 512 * MEBIBYTE, swapBytes: 0, hostHasSwap: false, pids: 256, cpus: 1 },
    },
    initReport: { pid: 1, procStatus: STATUS, mountErrno: 1, unshareErrno: 1, bpfErrno: 1, afAlgErrno: 1, ptraceErrno: 1 },
    diskQuota: { maxBytes: 1024 * MEBIBYTE },
  });
}
