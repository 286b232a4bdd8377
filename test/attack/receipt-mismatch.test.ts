// Attack: a sandbox that is looser than what was granted. One setting of a real container is altered at a time, behind
// the back of whoever asked for it; no alteration may be handed out, and the refusal names it.
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { ContainerCreateBody, ContainerMount } from '../../daemon/container/driver.ts';
import type { SandboxGrant } from '../../daemon/container/grant.ts';
import { takeReceipt } from '../../daemon/container/receipt.ts';
import { verifyReceipt } from '../../client/verify-receipt.ts';
import { signReceipt } from '../../daemon/container/receipt-signature.ts';
import { loadSeccompProfile } from '../../daemon/container/seccomp-profile.ts';
import { SECCOMP_DIRECTORY } from '../support/seccomp-directory.ts';
import { containerSpec } from '../../daemon/container/spec.ts';
import { runCommand } from '../../daemon/workspace/run-command.ts';
import { type GrantedHost, grantedHost, type StartedSandbox, withSandbox } from '../support/granted-sandbox.ts';
import { testDriver } from '../support/test-engine.ts';

const driver = testDriver();
const keys = generateKeyPairSync('ed25519');
const AT = Date.UTC(2030, 0, 1);
let host: GrantedHost;
let debugJson = '';

beforeAll(async () => {
  host = await grantedHost(driver);
  debugJson = (await loadSeccompProfile({ directory: SECCOMP_DIRECTORY, name: 'debug' })).json;
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
});

const receiptOf = (sandbox: StartedSandbox, grant: SandboxGrant = host.grant): Promise<Receipt> =>
  takeReceipt({
    driver,
    containerId: sandbox.containerId,
    grant,
    initReport: sandbox.initReport,
    diskQuota: { maxBytes: grant.limits.diskBytes },
    sign: (receipt) => signReceipt(receipt, keys.privateKey),
    clock: { now: () => AT },
    daemonVersion: '0.0.0-test',
  });

/** Keys that the create body of a sandbox never has are altered, too. */
type Change = { readonly [key: string]: unknown; readonly HostConfig?: Readonly<Record<string, unknown>> };
const altered = (body: ContainerCreateBody, change: Change): ContainerCreateBody => ({
  ...body,
  ...change,
  HostConfig: { ...body.HostConfig, ...change.HostConfig },
});
const hostConfig = (change: Readonly<Record<string, unknown>>): Change => ({ HostConfig: change });
const remount = (target: string, change: Partial<ContainerMount>): Change =>
  hostConfig({
    Mounts: containerSpec(host.grant).HostConfig.Mounts?.map((mount) => (mount.Target === target ? { ...mount, ...change } : mount)),
  });
const addMount = (mount: ContainerMount): Change => hostConfig({ Mounts: [...(containerSpec(host.grant).HostConfig.Mounts ?? []), mount] });
const withoutMount = (target: string): Change =>
  hostConfig({ Mounts: containerSpec(host.grant).HostConfig.Mounts?.filter((mount) => mount.Target !== target) });
const seccompText = (): string => host.grant.profile.seccomp.json;

/** What is altered, how, and the fields that the refusal must name. */
const ALTERATIONS: readonly (readonly [string, () => Change, ...string[]])[] = [
  ['the uid is 0', () => ({ User: '0:0' }), 'kernel.uid', 'kernel.gid', 'inspect.Config.User', 'init.status.uid'],
  ["the uid is another sandbox's", () => ({ User: '200002:200001' }), 'kernel.uid', 'init.status.uid'],
  ["the gid is another sandbox's", () => ({ User: '200001:200002' }), 'kernel.gid', 'init.status.gid'],
  ['a group is added', () => hostConfig({ GroupAdd: ['0'] }), 'kernel.groups', 'inspect.HostConfig.GroupAdd'],
  ['a capability is added', () => hostConfig({ CapAdd: ['NET_RAW'] }), 'kernel.capabilities.CapBnd', 'inspect.HostConfig.CapAdd'],
  [
    "the engine's default capabilities stay",
    () => hostConfig({ CapDrop: [] }),
    'kernel.capabilities.CapBnd',
    'init.status.capabilities.CapBnd',
  ],
  [
    'privileges may be gained',
    () => hostConfig({ SecurityOpt: [`seccomp=${seccompText()}`] }),
    'kernel.noNewPrivs',
    'init.status.noNewPrivs',
  ],
  [
    'no filter is loaded',
    () => hostConfig({ SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined'] }),
    'kernel.seccomp.mode',
    'init.status.seccomp.mode',
    'init.refused.socket(AF_ALG)',
  ],
  [
    "the engine's default filter is loaded",
    () => hostConfig({ SecurityOpt: ['no-new-privileges:true'] }),
    'inspect.HostConfig.SecurityOpt.seccomp',
  ],
  [
    'another filter is loaded',
    () => hostConfig({ SecurityOpt: ['no-new-privileges:true', `seccomp=${debugJson}`] }),
    'inspect.HostConfig.SecurityOpt.seccomp',
    'init.refused.ptrace',
  ],
  ['it is privileged', () => hostConfig({ Privileged: true }), 'inspect.HostConfig.Privileged', 'kernel.seccomp.mode'],
  ["the network is the host's", () => hostConfig({ NetworkMode: 'host' }), 'inspect.HostConfig.NetworkMode', 'kernel.namespaces.net'],
  ["the processes are the host's", () => hostConfig({ PidMode: 'host' }), 'kernel.namespaces.pid', 'kernel.pid', 'init.pid'],
  ["the IPC is the host's", () => hostConfig({ IpcMode: 'host' }), 'kernel.namespaces.ipc'],
  ['the IPC can be shared', () => hostConfig({ IpcMode: 'shareable' }), 'inspect.HostConfig.IpcMode'],
  ["the host name is the host's", () => ({ Hostname: '', ...hostConfig({ UTSMode: 'host' }) }), 'kernel.namespaces.uts'],
  ["the cgroups are the host's", () => hostConfig({ CgroupnsMode: 'host' }), 'kernel.namespaces.cgroup'],
  [
    'memory is doubled',
    () => hostConfig({ Memory: host.grant.limits.memoryBytes * 2, MemorySwap: host.grant.limits.memoryBytes * 2 }),
    'kernel.cgroup.memory',
    'inspect.HostConfig.Memory',
  ],
  ['memory is not limited', () => hostConfig({ Memory: 0, MemorySwap: 0 }), 'kernel.cgroup.memory'],
  [
    'swap comes on top',
    () => hostConfig({ MemorySwap: host.grant.limits.memoryBytes * 2 }),
    'kernel.cgroup.swap',
    'inspect.HostConfig.MemorySwap',
  ],
  ['one more process is allowed', () => hostConfig({ PidsLimit: host.grant.limits.pids + 1 }), 'kernel.cgroup.pids'],
  ['processes are not limited', () => hostConfig({ PidsLimit: 0 }), 'kernel.cgroup.pids'],
  ['processors are not limited', () => hostConfig({ NanoCpus: 0 }), 'kernel.cgroup.cpus'],
  ['the root is writable', () => hostConfig({ ReadonlyRootfs: false }), 'mount / flags'],
  [
    'a host directory is mounted as well',
    () => addMount({ Type: 'bind', Source: host.plainDir, Target: '/host' }),
    'mount /host',
    'inspect.Mounts',
  ],
  [
    'a directory of the host covers one of ours',
    () => addMount({ Type: 'bind', Source: host.plainDir, Target: '/workspace/sub' }),
    'mount /workspace/sub',
  ],
  ['an anonymous volume exists', () => ({ Volumes: { '/data': {} } }), 'mount /data', 'inspect.Mounts'],
  [
    'a second tmpfs exists',
    () => hostConfig({ Tmpfs: { ...containerSpec(host.grant).HostConfig.Tmpfs, '/var/tmp': 'rw,nosuid,nodev' } }),
    'mount /var/tmp',
  ],
  [
    'the workspace has neither nosuid nor nodev',
    () => remount('/workspace', { Source: host.plainDir }),
    'mount /workspace flags',
    'mount /workspace source',
  ],
  ['the workspace is on a read-only mount', () => remount('/workspace', { Source: host.readonlyWorkspace }), 'mount /workspace flags'],
  [
    'read-only is left to the runtime, which drops nosuid and nodev',
    () => remount('/run/cloister', { ReadOnly: true }),
    'mount /run/cloister flags',
  ],
  [
    'a mount is private without what lies below it',
    () => remount('/workspace', { BindOptions: { Propagation: 'private' } }),
    'inspect.Mounts.Propagation',
  ],
  [
    'init is another program',
    () => remount('/run/cloister-init', { Source: host.otherProgram }),
    'kernel.executable',
    'mount /run/cloister-init source',
  ],
  ['init gets arguments', () => ({ Cmd: ['sh'] }), 'inspect.Args'],
  ["the engine's own resolv.conf is used", () => withoutMount('/etc/resolv.conf'), 'mount /etc/resolv.conf flags'],
  [
    '/tmp is larger',
    () => hostConfig({ Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${host.grant.limits.tmpBytes * 2},nr_inodes=2048` } }),
    'mount /tmp size',
  ],
  [
    '/tmp honours setuid',
    () => hostConfig({ Tmpfs: { '/tmp': `rw,exec,suid,nodev,mode=1777,size=${host.grant.limits.tmpBytes},nr_inodes=2048` } }),
    'mount /tmp flags',
  ],
  ['/dev/shm is larger', () => hostConfig({ ShmSize: host.grant.limits.shmBytes * 2 }), 'mount /dev/shm size'],
  ['/proc is not masked', () => hostConfig({ MaskedPaths: [] }), 'inspect.HostConfig.MaskedPaths', 'mount /proc/keys'],
  ['/proc/sys is writable', () => hostConfig({ ReadonlyPaths: [] }), 'inspect.HostConfig.ReadonlyPaths', 'mount /proc/sys'],
  [
    'a device is added',
    () => hostConfig({ Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/sda', CgroupPermissions: 'r' }] }),
    'inspect.HostConfig.Devices',
  ],
  ['files may be of any size', () => hostConfig({ Ulimits: [] }), 'kernel.limits.fsize'],
  ['a kernel parameter is set', () => hostConfig({ Sysctls: { 'net.ipv4.ip_forward': '1' } }), 'inspect.HostConfig.Sysctls'],
  ['a terminal is attached', () => ({ Tty: true }), 'inspect.Config.Tty', 'mount /dev/console'],
  ['the OOM killer prefers others', () => hostConfig({ OomScoreAdj: 0 }), 'kernel.oomScoreAdj'],
  ['it is restarted by the engine', () => hostConfig({ RestartPolicy: { Name: 'always' } }), 'inspect.HostConfig.RestartPolicy'],
  ['it logs to a file', () => hostConfig({ LogConfig: { Type: 'json-file' } }), 'inspect.HostConfig.LogConfig'],
  ['a health check runs', () => ({ Healthcheck: { Test: ['CMD', '/run/cloister-init'] } }), 'inspect.Config.Healthcheck'],
  [
    "it is another sandbox's",
    () => ({ Labels: { 'cloister.instance': 'test', 'cloister.sandbox': 'other' } }),
    'inspect.Config.Labels.cloister.sandbox',
  ],
];

/** Done to the running container, so that the engine knows nothing of it and only the kernel can tell. */
const LATER: readonly (readonly [string, (sandbox: StartedSandbox) => Promise<unknown>, string])[] = [
  [
    'another interface was added',
    ({ pid }) => runCommand('nsenter', ['-t', `${pid}`, '-n', 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1']),
    'kernel.network.interfaces',
  ],
  ['the cgroup was opened to more processes', ({ pid }) => writeCgroup(pid, 'pids', 'pids.max', 'max'), 'kernel.cgroup.pids'],
  ['the OOM score was lowered', ({ pid }) => writeFile(`/proc/${pid}/oom_score_adj`, '0'), 'kernel.oomScoreAdj'],
];

/** Finds the cgroup in the hierarchy of its controller, or in the unified one. */
async function writeCgroup(pid: number, controller: string, file: string, value: string): Promise<void> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(':'));
  const own = lines.find(([, controllers = '']) => controllers.split(',').includes(controller));
  const path = own === undefined ? lines[0]?.[2] : `/${controller}${own[2]}`;
  await writeFile(`/sys/fs/cgroup${path}/${file}`, value);
}

describe('a sandbox that is not what was granted is not handed out when', () => {
  test.each(ALTERATIONS.map(([sentence, change, ...fields]) => ({ sentence, change, fields })))('$sentence', async ({ change, fields }) => {
    const body = altered(containerSpec(host.grant), change());
    const refusal = await withSandbox(driver, body, (sandbox) =>
      receiptOf(sandbox).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    expect(refusal).toMatchObject({ code: 'ENFORCEMENT_MISMATCH' });
    for (const field of fields) expect((refusal as Error).message).toContain(`${field}: expected`);
  });

  test.each(LATER)('%s after its start', async (_, change, field) => {
    const refusal = await withSandbox(driver, containerSpec(host.grant), async (sandbox) => {
      await change(sandbox);
      return receiptOf(sandbox).then(
        () => undefined,
        (error: unknown) => error,
      );
    });
    expect(refusal).toMatchObject({ code: 'ENFORCEMENT_MISMATCH', message: expect.stringContaining(`(${field}: expected`) });
  });
});

describe('a sandbox as granted', () => {
  test('is handed out with a signed receipt that says what the kernel enforces', async () => {
    const { grant } = host;
    const receipt = await withSandbox(driver, containerSpec(grant), (sandbox) => receiptOf(sandbox));
    expect(verifyReceipt(receipt, keys.publicKey)).toBe(true);
    expect(receipt).toMatchObject({
      sandboxId: grant.sandboxId,
      at: '2030-01-01T00:00:00.000Z',
      runtime: 'runc',
      image: grant.image,
      uid: grant.uid,
      gid: grant.gid,
      capabilities: { inheritable: [], permitted: [], effective: [], bounding: [], ambient: [] },
      noNewPrivs: true,
      seccomp: { mode: 2, profile: 'strict', sha256: grant.profile.seccomp.sha256 },
      network: { interfaces: ['lo'], routes: [] },
      limits: { memoryBytes: 128 * 1024 ** 2, cpus: 0.5, pids: 64, diskBytes: 64 * 1024 ** 2, tmpBytes: 16 * 1024 ** 2 },
    });
  });

  test('with a read-only workspace is handed out only on a read-only mount', async () => {
    const { grant } = host;
    const readonly = (workspacePath: string): SandboxGrant => ({
      ...grant,
      profile: { ...grant.profile, isWorkspaceReadonly: true },
      paths: { ...grant.paths, workspacePath },
    });
    const take = (granted: SandboxGrant) => withSandbox(driver, containerSpec(granted), (sandbox) => receiptOf(sandbox, granted));
    const receipt = await take(readonly(host.readonlyWorkspace));
    expect(receipt.mounts.find((mount) => mount.target === '/workspace')?.flags).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
    await expect(take(readonly(grant.paths.workspacePath))).rejects.toMatchObject({
      code: 'ENFORCEMENT_MISMATCH',
      message: expect.stringContaining('mount /workspace flags'),
    });
  });

  test('is refused when its workspace has another quota', async () => {
    const { grant } = host;
    const taking = withSandbox(driver, containerSpec(grant), (sandbox) =>
      takeReceipt({
        driver,
        containerId: sandbox.containerId,
        grant,
        initReport: sandbox.initReport,
        diskQuota: { maxBytes: null },
        sign: (receipt) => signReceipt(receipt, keys.privateKey),
        clock: { now: () => AT },
        daemonVersion: '0',
      }),
    );
    await expect(taking).rejects.toMatchObject({ code: 'ENFORCEMENT_MISMATCH', message: expect.stringContaining('workspace.maxBytes') });
  });
});
