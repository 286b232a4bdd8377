// The engine's account of a sandbox against the grant: everything a create body could have loosened. Written from the
// grant alone and apart from spec.ts, so that a mistake there is seen here.
import { createHash } from 'node:crypto';
import type { ContainerInspect } from './driver.ts';
import type { SandboxGrant } from './grant.ts';
import { compare, compareSets, demand, type Difference } from './receipt-difference.ts';
import { isGvisor } from './receipt-gvisor.ts';

const RELATIVE_CPU_ERROR = 1e-6;
const LOWEST_OOM_SCORE_ADJ = 500;
/** Never visible in a sandbox, on engines whose default list is shorter too. */
const MUST_BE_MASKED = [
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
const MUST_BE_READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function compareInspect(grant: SandboxGrant, inspect: ContainerInspect): Difference[] {
  return [
    ...compareState(inspect),
    ...compareConfig(grant, inspect),
    ...comparePrivileges(grant, inspect),
    ...compareIsolation(grant, inspect),
    ...compareResources(grant, inspect),
    ...compareMounts(grant, inspect),
  ];
}

function compareState({ State, RestartCount }: ContainerInspect): Difference[] {
  return [
    ...compare('inspect.State.Running', true, State.Running),
    ...compare('inspect.State.Paused', false, State.Paused),
    ...compare('inspect.RestartCount', 0, RestartCount),
  ];
}

function compareConfig(grant: SandboxGrant, { Image, Path, Args, Config }: ContainerInspect): Difference[] {
  return [
    ...compare('inspect.Image', grant.image.id, Image),
    ...compare('inspect.Config.User', `${grant.uid}:${grant.gid}`, Config.User),
    ...compare('inspect.Path', '/run/cloister-init', Path),
    ...compare('inspect.Args', [], Args),
    ...compare('inspect.Config.WorkingDir', '/workspace', Config.WorkingDir),
    ...compare('inspect.Config.Hostname', 'sandbox', Config.Hostname),
    ...compare('inspect.Config.Tty', false, Config.Tty),
    ...compare('inspect.Config.OpenStdin', isGvisor(grant.runtime), Config.OpenStdin),
    ...compare('inspect.Config.Volumes', {}, Config.Volumes),
    ...compare('inspect.Config.Healthcheck', ['NONE'], Config.Healthcheck?.Test ?? null),
    ...compare('inspect.Config.Labels.cloister.sandbox', grant.sandboxId, Config.Labels['cloister.sandbox'] ?? null),
    ...compare('inspect.Config.Labels.cloister.instance', grant.instanceId, Config.Labels['cloister.instance'] ?? null),
  ];
}

function comparePrivileges({ profile }: SandboxGrant, { HostConfig }: ContainerInspect): Difference[] {
  const seccomp = HostConfig.SecurityOpt.filter((option) => option.startsWith('seccomp=')).map((option) => option.slice('seccomp='.length));
  const others = HostConfig.SecurityOpt.filter((option) => !option.startsWith('seccomp='));
  return [
    ...compare('inspect.HostConfig.Privileged', false, HostConfig.Privileged),
    ...compare('inspect.HostConfig.CapAdd', [], HostConfig.CapAdd),
    ...compare('inspect.HostConfig.CapDrop', ['ALL'], HostConfig.CapDrop),
    ...compare('inspect.HostConfig.GroupAdd', [], HostConfig.GroupAdd),
    ...compare('inspect.HostConfig.SecurityOpt', ['no-new-privileges:true'], others),
    ...compare('inspect.HostConfig.SecurityOpt.seccomp', [profile.seccomp.sha256], seccomp.map(sha256)),
    ...compare('inspect.HostConfig.ReadonlyRootfs', true, HostConfig.ReadonlyRootfs),
    ...contains('inspect.HostConfig.MaskedPaths', MUST_BE_MASKED, HostConfig.MaskedPaths),
    ...contains('inspect.HostConfig.ReadonlyPaths', MUST_BE_READONLY, HostConfig.ReadonlyPaths),
    ...compare('inspect.HostConfig.Devices', [], HostConfig.Devices),
    ...compare('inspect.HostConfig.DeviceRequests', [], HostConfig.DeviceRequests),
    ...compare('inspect.HostConfig.DeviceCgroupRules', [], HostConfig.DeviceCgroupRules),
  ];
}

function compareIsolation({ runtime }: SandboxGrant, { HostConfig, NetworkSettings }: ContainerInspect): Difference[] {
  return [
    ...compare('inspect.HostConfig.Runtime', runtime, HostConfig.Runtime),
    ...compare('inspect.HostConfig.NetworkMode', 'none', HostConfig.NetworkMode),
    ...compareSets('inspect.NetworkSettings.Networks', ['none'], Object.keys(NetworkSettings.Networks)),
    ...compare('inspect.HostConfig.PortBindings', {}, HostConfig.PortBindings),
    ...compare('inspect.HostConfig.PublishAllPorts', false, HostConfig.PublishAllPorts),
    ...compare('inspect.HostConfig.Links', [], HostConfig.Links),
    ...compare('inspect.HostConfig.ExtraHosts', [], HostConfig.ExtraHosts),
    ...compare('inspect.HostConfig.PidMode', '', HostConfig.PidMode),
    ...compare('inspect.HostConfig.IpcMode', 'private', HostConfig.IpcMode),
    ...compare('inspect.HostConfig.UTSMode', '', HostConfig.UTSMode),
    ...compare('inspect.HostConfig.UsernsMode', '', HostConfig.UsernsMode),
    ...compare('inspect.HostConfig.CgroupnsMode', 'private', HostConfig.CgroupnsMode),
    ...compare('inspect.HostConfig.CgroupParent', '', HostConfig.CgroupParent),
    ...compare('inspect.HostConfig.Sysctls', {}, HostConfig.Sysctls),
  ];
}

function compareResources({ limits }: SandboxGrant, { HostConfig }: ContainerInspect): Difference[] {
  const cpus = HostConfig.NanoCpus / 1e9;
  return [
    ...compare('inspect.HostConfig.Memory', limits.memoryBytes, HostConfig.Memory),
    ...compare('inspect.HostConfig.MemorySwap', limits.memoryBytes, HostConfig.MemorySwap),
    ...demand('inspect.HostConfig.NanoCpus', Math.abs(cpus - limits.cpus) <= RELATIVE_CPU_ERROR * limits.cpus, String(limits.cpus), cpus),
    ...compare('inspect.HostConfig.PidsLimit', limits.pids, HostConfig.PidsLimit),
    ...compare('inspect.HostConfig.ShmSize', limits.shmBytes, HostConfig.ShmSize),
    ...compare('inspect.HostConfig.OomKillDisable', false, HostConfig.OomKillDisable ?? false),
    ...demand(
      'inspect.HostConfig.OomScoreAdj',
      HostConfig.OomScoreAdj >= LOWEST_OOM_SCORE_ADJ,
      `at least ${LOWEST_OOM_SCORE_ADJ}`,
      HostConfig.OomScoreAdj,
    ),
    ...compare('inspect.HostConfig.RestartPolicy', 'no', HostConfig.RestartPolicy.Name),
    ...compare('inspect.HostConfig.AutoRemove', false, HostConfig.AutoRemove),
    ...compare('inspect.HostConfig.LogConfig', 'none', HostConfig.LogConfig.Type),
  ];
}

/** Exactly the granted binds; an anonymous volume of the image is one more, and so a difference. */
function compareMounts({ paths }: SandboxGrant, { HostConfig, Mounts }: ContainerInspect): Difference[] {
  const etc = ['passwd', 'group', 'hosts', 'hostname', 'resolv.conf'].map((name) => `bind ${paths.runDir}/etc/${name} /etc/${name}`);
  const granted = [
    `bind ${paths.runDir} /run/cloister`,
    `bind ${paths.initPath} /run/cloister-init`,
    `bind ${paths.workspacePath} /workspace`,
    ...etc,
  ];
  const shared = Mounts.filter((mount) => mount.Propagation !== 'rprivate').map((mount) => mount.Destination);
  const found = Mounts.map((mount) => `${mount.Type} ${mount.Source} ${mount.Destination}`);
  return [
    ...granted.filter((mount) => !found.includes(mount)).map((mount) => ({ field: 'inspect.Mounts', expected: mount, actual: 'absent' })),
    ...found.filter((mount) => !granted.includes(mount)).map((mount) => ({ field: 'inspect.Mounts', expected: 'absent', actual: mount })),
    ...compare('inspect.Mounts.Propagation', [], shared),
    ...compare('inspect.HostConfig.Binds', [], HostConfig.Binds),
    ...compare('inspect.HostConfig.VolumesFrom', [], HostConfig.VolumesFrom),
    ...compareSets('inspect.HostConfig.Tmpfs', ['/tmp'], Object.keys(HostConfig.Tmpfs)),
  ];
}

function contains(field: string, wanted: readonly string[], found: readonly string[] | null): Difference[] {
  const missing = wanted.filter((path) => found?.includes(path) !== true);
  return demand(field, missing.length === 0, 'every path that must be there', `without ${missing.join(' ')}`);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
