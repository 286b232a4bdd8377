// The create body of a sandbox, from its grant and nothing else: pure, and the only place that says how a sandbox is
// asked for. What the kernel makes of it is checked by receipt.ts, which must not import this file.
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ContainerCreateBody, ContainerHostConfig, ContainerMount } from './driver.ts';
import { cpuSharesFor, type SandboxGrant, type SandboxLimits } from './grant.ts';
import { MASKED_PATHS, READONLY_PATHS } from './spec-kernel-paths.ts';

const INIT_TARGET = '/run/cloister-init';
const RUN_TARGET = '/run/cloister';
const ETC_FILES = ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf'] as const;
const OWN_LABELS = 'cloister.';

/** Small files fill a tmpfs's inodes long before its bytes: one inode per this many bytes. */
const TMP_BYTES_PER_INODE = 8 * 1024;
const NANO_PER_CPU = 1e9;
const OOM_SCORE_ADJ = 500;
const NOFILE = { soft: 4096, hard: 16_384 };
const MEMLOCK_BYTES = 64 * 1024;
/** Ends sparse giants where the store has no quota. */
const FSIZE_WITHOUT_QUOTA_BYTES = 64 * 1024 ** 3;
const LOWEST_UID = 1000;

/** Fails with INVALID_REQUEST when the limits contradict each other, and with INTERNAL on an identity that is never granted. */
export function containerSpec(grant: SandboxGrant): ContainerCreateBody {
  checkLimits(grant.limits);
  checkIdentity(grant);
  return {
    Image: grant.image.id,
    Hostname: 'sandbox',
    User: `${grant.uid}:${grant.gid}`,
    // Commands get their environment from init; this is init's own, readable by every command of the session.
    Env: ['HOME=/tmp/home', 'TMPDIR=/tmp'],
    Labels: { ...grant.labels, 'cloister.instance': grant.instanceId, 'cloister.sandbox': grant.sandboxId, 'cloister.role': 'sandbox' },
    Entrypoint: [INIT_TARGET],
    Cmd: [],
    WorkingDir: '/workspace',
    Tty: false,
    // gVisor gives its standard streams to the uid of its sentry, and without this one the first is the host's /dev/null.
    // Safe because: it is a pipe that nobody ever writes to, as nothing attaches.
    OpenStdin: grant.runtime === 'runsc',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGTERM',
    HostConfig: hostConfig(grant),
  };
}

function hostConfig({ limits, paths, profile, runtime }: SandboxGrant): ContainerHostConfig {
  return {
    Mounts: mounts(paths),
    Tmpfs: { '/tmp': tmpfsOptions(limits.tmpBytes) },
    NetworkMode: 'none',
    Privileged: false,
    ReadonlyRootfs: true,
    AutoRemove: false,
    Init: false,
    CapAdd: [],
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true', `seccomp=${profile.seccomp.json}`],
    IpcMode: 'private',
    CgroupnsMode: 'private',
    Runtime: runtime,
    Memory: limits.memoryBytes,
    MemorySwap: limits.memoryBytes,
    NanoCpus: Math.round(limits.cpus * NANO_PER_CPU),
    CpuShares: cpuSharesFor(limits.cpus),
    PidsLimit: limits.pids,
    OomScoreAdj: OOM_SCORE_ADJ,
    ShmSize: limits.shmBytes,
    Ulimits: [
      { Name: 'nofile', Soft: NOFILE.soft, Hard: NOFILE.hard },
      { Name: 'core', Soft: 0, Hard: 0 },
      ulimit('fsize', limits.diskBytes ?? FSIZE_WITHOUT_QUOTA_BYTES),
      ulimit('memlock', MEMLOCK_BYTES),
    ],
    MaskedPaths: MASKED_PATHS,
    ReadonlyPaths: READONLY_PATHS,
    RestartPolicy: { Name: 'no' },
    LogConfig: { Type: 'none' },
  };
}

/**
 * Read-only-ness, nosuid and nodev come from the source mounts and are not asked for here: runc 1.1 answers `ReadOnly`
 * with a remount that drops the other two. The engine's own /etc/hosts, hostname and resolv.conf are writable mounts
 * without either, so ours take their places. An image's VOLUMEs cannot be switched off in a create body: such an image
 * is refused when it is checked, and an anonymous volume is a difference in the receipt.
 */
function mounts(paths: SandboxGrant['paths']): ContainerMount[] {
  return [
    bind(paths.runDir, RUN_TARGET),
    bind(paths.initPath, INIT_TARGET),
    ...ETC_FILES.map((name) => bind(`${paths.runDir}/etc/${name}`, `/etc/${name}`)),
    bind(paths.workspacePath, '/workspace'),
  ];
}

const bind = (source: string, target: string): ContainerMount => ({
  Type: 'bind',
  Source: source,
  Target: target,
  // Nothing mounted below the source comes along, and nothing mounted later is seen.
  BindOptions: { Propagation: 'rprivate', NonRecursive: true },
});

const ulimit = (name: string, value: number) => ({ Name: name, Soft: value, Hard: value });

// Safe because: exec is what compilers and test runners need of /tmp; nosuid, no capability and NoNewPrivs hold there as well.
const tmpfsOptions = (bytes: number): string =>
  `rw,exec,nosuid,nodev,mode=1777,size=${bytes},nr_inodes=${Math.ceil(bytes / TMP_BYTES_PER_INODE)}`;

function checkLimits(limits: SandboxLimits): void {
  const refuse = (cause: string): SandboxError => new SandboxError('INVALID_REQUEST', `Cannot grant limits: ${cause}`);
  const { memoryBytes, cpus, pids, diskBytes, tmpBytes, shmBytes } = limits;
  const whole = { memoryBytes, pids, tmpBytes, shmBytes, ...(diskBytes === null ? {} : { diskBytes }) };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isSafeInteger(value) || value <= 0) throw refuse(`${name} is not a positive whole number`);
  }
  if (!Number.isFinite(cpus) || cpus <= 0) throw refuse('cpus is not a positive number');
  const inMemory = tmpBytes + shmBytes;
  if (inMemory * 2 > memoryBytes) {
    throw refuse(`tmpBytes and /dev/shm together (${inMemory} bytes) are more than half of memoryBytes (${memoryBytes})`);
  }
}

function checkIdentity({ uid, gid, labels, paths }: SandboxGrant): void {
  const refuse = (cause: string): SandboxError => new SandboxError('INTERNAL', `Cannot build a sandbox: ${cause}`);
  if (!Number.isSafeInteger(uid) || !Number.isSafeInteger(gid) || uid < LOWEST_UID || gid < LOWEST_UID)
    throw refuse(`uid ${uid}, gid ${gid} is not an identity of a sandbox`);
  for (const path of [paths.runDir, paths.initPath, paths.workspacePath]) {
    if (!/^(\/[^/\0]+)+$/.test(path) || path.split('/').includes('..'))
      throw refuse(`${JSON.stringify(path)} is not a plain absolute path`);
  }
  if (Object.keys(labels).some((key) => key.startsWith(OWN_LABELS))) throw refuse(`labels under ${OWN_LABELS} are Cloister's own`);
}
