// Every field that the receipt compares, altered one at a time: each alteration is named, and nothing else is.
import { describe, expect, test } from 'vitest';
import { type Evidence, verifyEnforcement } from '../../../daemon/container/receipt-verify.ts';
import { cleanEvidence } from './receipt-evidence.ts';

type Path = readonly (string | number)[];

/** Sets what is at a path of plain data, whatever its declared type. */
function alter(evidence: Evidence, path: Path, value: unknown): Evidence {
  const last = path.at(-1) ?? '';
  const holder = path.slice(0, -1).reduce<unknown>((inner, key) => Reflect.get(Object(inner), key), evidence);
  Reflect.set(Object(holder), last, value);
  return evidence;
}

const fields = (evidence: Evidence): string[] => verifyEnforcement(evidence).map(({ field }) => field);

const inspect = (...path: Path): Path => ['inspect', ...path];
const host = (name: string): Path => ['inspect', 'HostConfig', name];
const kernel = (...path: Path): Path => ['kernelView', ...path];
const status = (name: string): Path => ['kernelView', 'status', name];
const mountFlags = (target: string): Path => [
  'kernelView',
  'mounts',
  cleanEvidence().kernelView.mounts.findIndex((mount) => mount.target === target),
  'flags',
];
const superOptions = (target: string): Path => [...mountFlags(target).slice(0, -1), 'superOptions'];

const INSPECT_ROWS: readonly (readonly [string, Path, unknown])[] = [
  ['inspect.State.Running', inspect('State', 'Running'), false],
  ['inspect.State.Paused', inspect('State', 'Paused'), true],
  ['inspect.State.Pid', inspect('State', 'Pid'), 7],
  ['inspect.RestartCount', inspect('RestartCount'), 1],
  ['inspect.Image', inspect('Image'), 'sha256:other'],
  ['inspect.Path', inspect('Path'), '/bin/sh'],
  ['inspect.Args', inspect('Args'), ['-c']],
  ['inspect.Config.User', inspect('Config', 'User'), '0:0'],
  ['inspect.Config.WorkingDir', inspect('Config', 'WorkingDir'), '/proc/self/fd/7'],
  ['inspect.Config.Hostname', inspect('Config', 'Hostname'), 'node-7'],
  ['inspect.Config.Tty', inspect('Config', 'Tty'), true],
  ['inspect.Config.OpenStdin', inspect('Config', 'OpenStdin'), true],
  ['inspect.Config.Volumes', inspect('Config', 'Volumes'), { '/data': {} }],
  ['inspect.Config.Healthcheck', inspect('Config', 'Healthcheck'), { Test: ['CMD', 'x'] }],
  ['inspect.Config.Healthcheck', inspect('Config', 'Healthcheck'), null],
  ['inspect.Config.Labels.cloister.sandbox', inspect('Config', 'Labels', 'cloister.sandbox'), 'sb2'],
  ['inspect.Config.Labels.cloister.instance', inspect('Config', 'Labels', 'cloister.instance'), 'i2'],
  ['inspect.HostConfig.Privileged', host('Privileged'), true],
  ['inspect.HostConfig.CapAdd', host('CapAdd'), ['NET_RAW']],
  ['inspect.HostConfig.CapDrop', host('CapDrop'), []],
  ['inspect.HostConfig.GroupAdd', host('GroupAdd'), ['0']],
  ['inspect.HostConfig.SecurityOpt', host('SecurityOpt'), [cleanEvidence().inspect.HostConfig.SecurityOpt[1]]],
  ['inspect.HostConfig.SecurityOpt', host('SecurityOpt'), [...cleanEvidence().inspect.HostConfig.SecurityOpt, 'apparmor=unconfined']],
  ['inspect.HostConfig.SecurityOpt.seccomp', host('SecurityOpt'), ['no-new-privileges:true', 'seccomp=unconfined']],
  ['inspect.HostConfig.ReadonlyRootfs', host('ReadonlyRootfs'), false],
  ['inspect.HostConfig.MaskedPaths', host('MaskedPaths'), null],
  ['inspect.HostConfig.MaskedPaths', host('MaskedPaths'), ['/proc/kcore']],
  ['inspect.HostConfig.ReadonlyPaths', host('ReadonlyPaths'), []],
  ['inspect.HostConfig.Devices', host('Devices'), [{ PathOnHost: '/dev/kvm' }]],
  ['inspect.HostConfig.DeviceRequests', host('DeviceRequests'), [{ Driver: 'gpu' }]],
  ['inspect.HostConfig.DeviceCgroupRules', host('DeviceCgroupRules'), ['c 10:200 rwm']],
  ['inspect.HostConfig.Runtime', host('Runtime'), 'crun'],
  ['inspect.HostConfig.NetworkMode', host('NetworkMode'), 'bridge'],
  ['inspect.NetworkSettings.Networks', inspect('NetworkSettings', 'Networks'), { bridge: {} }],
  ['inspect.HostConfig.PortBindings', host('PortBindings'), { '80/tcp': [] }],
  ['inspect.HostConfig.PublishAllPorts', host('PublishAllPorts'), true],
  ['inspect.HostConfig.Links', host('Links'), ['db']],
  ['inspect.HostConfig.ExtraHosts', host('ExtraHosts'), ['metadata:169.254.169.254']],
  ['inspect.HostConfig.PidMode', host('PidMode'), 'host'],
  ['inspect.HostConfig.IpcMode', host('IpcMode'), 'shareable'],
  ['inspect.HostConfig.UTSMode', host('UTSMode'), 'host'],
  ['inspect.HostConfig.UsernsMode', host('UsernsMode'), 'host'],
  ['inspect.HostConfig.CgroupnsMode', host('CgroupnsMode'), 'host'],
  ['inspect.HostConfig.CgroupParent', host('CgroupParent'), '/other'],
  ['inspect.HostConfig.Sysctls', host('Sysctls'), { 'net.ipv4.ip_forward': '1' }],
  ['inspect.HostConfig.Memory', host('Memory'), 0],
  ['inspect.HostConfig.MemorySwap', host('MemorySwap'), -1],
  ['inspect.HostConfig.NanoCpus', host('NanoCpus'), 2e9],
  ['inspect.HostConfig.PidsLimit', host('PidsLimit'), 0],
  ['inspect.HostConfig.ShmSize', host('ShmSize'), 1],
  ['inspect.HostConfig.OomKillDisable', host('OomKillDisable'), true],
  ['inspect.HostConfig.OomScoreAdj', host('OomScoreAdj'), 0],
  ['inspect.HostConfig.RestartPolicy', host('RestartPolicy'), { Name: 'always', MaximumRetryCount: 0 }],
  ['inspect.HostConfig.AutoRemove', host('AutoRemove'), true],
  ['inspect.HostConfig.LogConfig', host('LogConfig'), { Type: 'json-file', Config: {} }],
  ['inspect.HostConfig.Binds', host('Binds'), ['/:/host']],
  ['inspect.HostConfig.VolumesFrom', host('VolumesFrom'), ['other']],
  ['inspect.HostConfig.Tmpfs', host('Tmpfs'), { '/tmp': '', '/var': '' }],
  ['inspect.Mounts', inspect('Mounts', 2, 'Source'), '/state/pool/ws/w2'],
  ['inspect.Mounts.Propagation', inspect('Mounts', 2, 'Propagation'), 'rshared'],
];

const KERNEL_ROWS: readonly (readonly [string, Path, unknown])[] = [
  ['kernel.uid', status('Uid'), '0\t0\t0\t0'],
  ['kernel.uid', status('Uid'), '200001\t0\t200001\t200001'],
  ['kernel.gid', status('Gid'), '200001\t200001\t200001\t0'],
  ['kernel.groups', status('Groups'), '200001 0'],
  ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(
    (set) => [`kernel.capabilities.${set}`, status(set), '0000000000002000'] as const,
  ),
  ['kernel.capabilities.CapBnd', status('CapBnd'), undefined],
  ['kernel.noNewPrivs', status('NoNewPrivs'), '0'],
  ['kernel.noNewPrivs', status('NoNewPrivs'), undefined],
  ['kernel.seccomp.mode', status('Seccomp'), '0'],
  ['kernel.seccomp.mode', status('Seccomp'), '1'],
  ['kernel.seccomp.filters', status('Seccomp_filters'), '0'],
  ['kernel.pid', status('NSpid'), '6483\t6'],
  ['kernel.pid', status('NSpid'), '6483'],
  ['kernel.tracer', status('TracerPid'), '99'],
  ['kernel.executable', kernel('executable'), '1:1'],
  ['kernel.oomScoreAdj', kernel('oomScoreAdj'), -1000],
  ...['pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'].map(
    (kind) => [`kernel.namespaces.${kind}`, kernel('namespaces', kind), `${kind}:[1]`] as const,
  ),
  ['kernel.namespaces', kernel('namespaces'), { pid: 'pid:[2]' }],
  ['kernel.network.interfaces', kernel('interfaces', 1), { name: 'eth0', bytes: 0 }],
  ['kernel.network.interfaces', kernel('interfaces', 1), { name: 'tunl0', bytes: 12 }],
  ['kernel.network.interfaces', kernel('interfaces'), []],
  ['kernel.network.routes', kernel('routes', 1), { device: 'eth0', destination: '00000000' }],
  ['kernel.network.addresses', kernel('ipv6AddressDevices', 1), 'eth0'],
  ['kernel.limits.core', kernel('limits', 'Max core file size', 'hard'), Number.POSITIVE_INFINITY],
  ['kernel.limits.core', kernel('limits', 'Max core file size'), undefined],
  ['kernel.limits.nofile', kernel('limits', 'Max open files', 'hard'), 1_048_576],
  ['kernel.limits.fsize', kernel('limits', 'Max file size', 'hard'), Number.POSITIVE_INFINITY],
  ['kernel.limits.memlock', kernel('limits', 'Max locked memory', 'hard'), Number.POSITIVE_INFINITY],
  ['kernel.limits.rtprio', kernel('limits', 'Max realtime priority', 'hard'), 99],
  ['kernel.limits.nice', kernel('limits', 'Max nice priority', 'hard'), 40],
  ['kernel.cgroup.memory', kernel('cgroup', 'memoryBytes'), Number.POSITIVE_INFINITY],
  ['kernel.cgroup.memory', kernel('cgroup', 'memoryBytes'), 1024 ** 2],
  ['kernel.cgroup.swap', kernel('cgroup', 'swapBytes'), 1],
  ['kernel.cgroup.swap', kernel('cgroup', 'swapBytes'), Number.NaN],
  ['kernel.cgroup.pids', kernel('cgroup', 'pids'), Number.POSITIVE_INFINITY],
  ['kernel.cgroup.cpus', kernel('cgroup', 'cpus'), 1.01],
  ['kernel.cgroup.cpus', kernel('cgroup', 'cpus'), Number.NaN],
];

const MOUNT_ROWS: readonly (readonly [string, Path, unknown])[] = [
  ['mount / flags', mountFlags('/'), ['rw']],
  ['mount /proc flags', mountFlags('/proc'), ['rw', 'nosuid', 'nodev']],
  ['mount /dev flags', mountFlags('/dev'), ['rw']],
  ['mount /dev/pts flags', mountFlags('/dev/pts'), ['rw', 'nosuid']],
  ['mount /dev/shm flags', mountFlags('/dev/shm'), ['rw', 'nosuid', 'nodev']],
  ['mount /sys flags', mountFlags('/sys'), ['rw', 'nosuid', 'nodev', 'noexec']],
  ['mount /sys/fs/cgroup', mountFlags('/sys/fs/cgroup'), ['rw']],
  ['mount /sys/fs/cgroup/cpu', mountFlags('/sys/fs/cgroup/cpu'), ['rw', 'nosuid', 'nodev', 'noexec']],
  ['mount /workspace flags', mountFlags('/workspace'), ['rw', 'nosuid']],
  ['mount /workspace flags', mountFlags('/workspace'), ['rw', 'nodev']],
  ['mount /tmp flags', mountFlags('/tmp'), ['rw', 'nodev']],
  ['mount /tmp size', superOptions('/tmp'), ['rw', 'size=262144k', 'nr_inodes=16384']],
  ['mount /tmp size', superOptions('/tmp'), ['rw', 'nr_inodes=1']],
  ['mount /tmp inodes', superOptions('/tmp'), ['rw', 'size=131072k']],
  ['mount /dev/shm size', superOptions('/dev/shm'), ['size=1g']],
  ['mount /run/cloister flags', mountFlags('/run/cloister'), ['rw', 'nosuid', 'nodev']],
  ['mount /run/cloister-init flags', mountFlags('/run/cloister-init'), ['ro', 'nosuid']],
  ['mount /etc/resolv.conf flags', mountFlags('/etc/resolv.conf'), ['rw', 'nosuid', 'nodev']],
  ['mount /proc/acpi', mountFlags('/proc/acpi'), ['rw']],
  ['mount /proc/sys', mountFlags('/proc/sys'), ['rw', 'nosuid', 'nodev', 'noexec']],
  ['mount /proc type', [...mountFlags('/proc').slice(0, -1), 'fsType'], 'tmpfs'],
  ['mount /workspace propagation', [...mountFlags('/workspace').slice(0, -1), 'propagation'], ['shared:7']],
  ['mount /workspace source', kernel('files', '/workspace'), '41:7'],
  ['mount /run/cloister source', kernel('files', '/run/cloister'), 'absent'],
  ['mount /etc/passwd source', kernel('files', '/etc/passwd'), '41:7'],
  ['mount /proc/kcore', kernel('hostFiles', '/proc/kcore'), '22:1'],
];

const INIT_ROWS: readonly (readonly [string, Path, unknown])[] = [
  ['init.pid', ['initReport', 'pid'], 7],
  ['init.refused.mount', ['initReport', 'mountErrno'], 0],
  ['init.refused.unshare', ['initReport', 'unshareErrno'], 22],
  ['init.refused.bpf', ['initReport', 'bpfErrno'], 14],
  ['init.refused.socket(AF_ALG)', ['initReport', 'afAlgErrno'], 97],
  ['init.refused.ptrace', ['initReport', 'ptraceErrno'], 3],
  ['init.status.uid', ['initReport', 'procStatus'], cleanEvidence().initReport.procStatus.replace(/^Uid:.*$/m, 'Uid:\t0\t0\t0\t0')],
  ['init.status.seccomp.mode', ['initReport', 'procStatus'], cleanEvidence().initReport.procStatus.replace('Seccomp:\t2', 'Seccomp:\t0')],
  ['workspace.maxBytes', ['diskQuota', 'maxBytes'], null],
];

describe('a receipt', () => {
  test('finds no difference in a sandbox that is what was granted', () => {
    expect(verifyEnforcement(cleanEvidence())).toEqual([]);
  });

  test.each([...INSPECT_ROWS, ...KERNEL_ROWS, ...MOUNT_ROWS, ...INIT_ROWS])(
    'names %s, and nothing else, when it differs (%j)',
    (field, path, value) => {
      const found = fields(alter(cleanEvidence(), path, value));
      expect(found).toContain(field);
      expect([...new Set(found)].filter((other) => !other.startsWith(field))).toEqual([]);
    },
  );

  test('names every mount that is missing, added, or mounted over', () => {
    for (const { target } of cleanEvidence().kernelView.mounts.filter((mount) => !/^\/(sys\/fs|dev\/mqueue)/.test(mount.target))) {
      const evidence = cleanEvidence();
      const without = evidence.kernelView.mounts.filter((mount) => mount.target !== target);
      expect(fields(alter(evidence, kernel('mounts'), without)), `without ${target}`).toContain(`mount ${target}`);
    }
    const [mount] = cleanEvidence().kernelView.mounts.filter(({ target }) => target === '/workspace');
    const plus = (target: string) => alter(cleanEvidence(), kernel('mounts'), [...cleanEvidence().kernelView.mounts, { ...mount, target }]);
    for (const target of ['/host', '/workspace/sub', '/proc/1', '/sys/class', '/dev/console', '/etc/shadow', '/workspace'])
      expect(fields(plus(target))).toContain(`mount ${target}`);
  });

  test('wants standard input to be a pipe under gVisor, and no other', () => {
    for (const [runtime, isOpen] of [
      ['runsc', false],
      ['runc', true],
    ] as const) {
      const evidence = cleanEvidence();
      const other = { ...evidence, grant: { ...evidence.grant, runtime } };
      expect(fields(alter(other, inspect('Config', 'OpenStdin'), isOpen))).toContain('inspect.Config.OpenStdin');
      expect(fields(alter(other, inspect('Config', 'OpenStdin'), !isOpen))).not.toContain('inspect.Config.OpenStdin');
    }
  });

  test('takes a mask that is not the null device for what it is', () => {
    const evidence = cleanEvidence();
    const keys = evidence.kernelView.mounts.findIndex((mount) => mount.target === '/proc/keys');
    expect(fields(alter(evidence, kernel('mounts', keys, 'device'), '0:99'))).toEqual(['mount /proc/keys']);
  });

  test('accepts what kernels differ in: cgroup v2, no filter count, tunnel devices that are down', () => {
    const evidence = cleanEvidence();
    const without = evidence.kernelView.mounts.filter((mount) => !mount.target.startsWith('/sys/fs/cgroup'));
    const unified = {
      target: '/sys/fs/cgroup',
      device: '0:27',
      root: '/',
      fsType: 'cgroup2',
      flags: ['ro', 'nosuid', 'nodev', 'noexec'],
      propagation: [],
      superOptions: ['rw'],
    };
    alter(evidence, kernel('mounts'), [...without, unified]);
    alter(evidence, status('Seccomp_filters'), undefined);
    alter(evidence, kernel('interfaces', 1), { name: 'tunl0', bytes: 0 });
    alter(evidence, kernel('cgroup', 'swapBytes'), undefined);
    expect(verifyEnforcement(evidence)).toEqual([]);
    alter(evidence, kernel('cgroup', 'hostHasSwap'), true);
    expect(fields(evidence)).toEqual(['kernel.cgroup.swap']);
  });

  test('allows tracing under the debug profile alone', () => {
    const evidence = alter(cleanEvidence(), ['initReport', 'ptraceErrno'], 0);
    expect(fields(evidence)).toEqual(['init.refused.ptrace']);
    expect(fields(alter(evidence, ['grant', 'profile', 'seccomp', 'name'], 'debug'))).toEqual([]);
  });

  test('demands a read-only mount of a read-only workspace', () => {
    expect(fields(alter(cleanEvidence(), ['grant', 'profile', 'isWorkspaceReadonly'], true))).toEqual(['mount /workspace flags']);
  });
});
