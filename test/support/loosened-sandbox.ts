// Sandboxes without one of their walls: the product's own create body with that wall taken out, and the attack rows run in
// it by a program in init's place. Test-only: no such container can be had from the product.

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerCreateBody, ContainerDriver, ContainerMount } from '../../daemon/container/driver.ts';
import { type SandboxGrant, shmBytesFor } from '../../daemon/container/grant.ts';
import { containerSpec } from '../../daemon/container/spec.ts';
import { ATTACK_LIMITS } from '../../daemon/doctor/attack/attack.ts';
import type { AttackRow, ControlName } from '../../daemon/doctor/attack/row.ts';
import type { GrantedHost } from './granted-sandbox.ts';

const ROW_LIMIT_S = 30;
/** Beside what the engine gives by itself. */
const MUCH = ['SYS_ADMIN', 'DAC_READ_SEARCH', 'SYSLOG', 'SYS_BOOT', 'SYS_PTRACE'];
const RUNNER = `import json,subprocess,sys
for name,command in json.loads(sys.argv[1]):
    try: output=subprocess.run(["sh","-c",command],stdin=subprocess.DEVNULL,stdout=subprocess.PIPE,stderr=subprocess.STDOUT,timeout=${ROW_LIMIT_S}).stdout
    except subprocess.TimeoutExpired: output=b"TIMED OUT"
    open("/workspace/out-"+name,"wb").write(output)`;

export interface Surroundings {
  readonly driver: ContainerDriver;
  readonly host: GrantedHost;
  readonly image: string;
  /** An image with setuid files. */
  readonly hostileImage: string;
  /** Another container: processes of root, and a network on which those addresses answer that must not be reached. */
  readonly other: string;
  readonly engineSocket: string;
}

/** A directory for what a sandbox without a wall gets instead. */
export async function prepareLoose({ plainDir, grant }: GrantedHost): Promise<void> {
  for (const directory of [plainDir, grant.paths.workspacePath]) await chmod(directory, 0o777);
  await mkdir(join(plainDir, 'cgroup'));
  await writeFile(join(plainDir, 'cgroup', 'release_agent'), '');
  for (const name of ['cgroup', 'cgroup/release_agent']) await chmod(join(plainDir, name), 0o777);
  await writeFile(join(plainDir, 'hosts'), '172.17.0.1 host.docker.internal\n10.0.0.9 intranet.example\n');
  await writeFile(join(plainDir, 'resolv.conf'), 'nameserver 10.0.0.2\nsearch corp.example\n');
}

/** What an engine does not take beside a namespace of somebody else. */
function nameless({ Hostname: _, ...rest }: ContainerCreateBody): ContainerCreateBody {
  return rest;
}

/** Takes one wall out of the body; everything else stays. */
function without(
  control: ControlName,
  body: ContainerCreateBody,
  { host, hostileImage, other, engineSocket }: Surroundings,
): ContainerCreateBody {
  const config = (change: Readonly<Record<string, unknown>>): ContainerCreateBody => ({
    ...body,
    HostConfig: { ...body.HostConfig, ...change },
  });
  const mounts = body.HostConfig.Mounts ?? [];
  const remount = (target: string, source: string): ContainerCreateBody =>
    config({ Mounts: mounts.map((mount): ContainerMount => (mount.Target === target ? { ...mount, Source: source } : mount)) });
  const options = body.HostConfig.SecurityOpt ?? [];
  switch (control) {
    case 'identity':
      return { ...body, User: '0:0' };
    case 'groups':
      return config({ GroupAdd: ['0'] });
    case 'capabilities':
      return config({ CapDrop: [], CapAdd: MUCH });
    case 'noNewPrivileges':
      return config({ SecurityOpt: options.filter((option) => !option.startsWith('no-new-privileges')) });
    case 'seccomp':
      return config({ SecurityOpt: [...options.filter((option) => !option.startsWith('seccomp=')), 'seccomp=unconfined'] });
    case 'readOnlyRoot':
      return config({ ReadonlyRootfs: false });
    case 'maskedPaths':
      return config({ MaskedPaths: [] });
    case 'readOnlyPaths':
      return config({ ReadonlyPaths: [] });
    case 'mounts':
      return config({ Mounts: [...mounts, { Type: 'bind', Source: engineSocket, Target: '/run/docker.sock' }] });
    case 'workspaceMount':
    case 'diskQuota':
      return remount('/workspace', host.plainDir);
    case 'runDirectory':
      return remount('/run/cloister', host.plainDir);
    case 'etcFiles':
      return config({
        Mounts: mounts.map((mount) =>
          /^\/etc\/(?:hosts|resolv\.conf)$/.test(mount.Target) ? { ...mount, Source: join(host.plainDir, mount.Target.slice(5)) } : mount,
        ),
      });
    case 'devices':
      return config({ Devices: [{ PathOnHost: '/dev/loop0', PathInContainer: '/dev/loop0', CgroupPermissions: 'r' }] });
    case 'cgroupMount':
      return config({ Mounts: [...mounts, { Type: 'bind', Source: join(host.plainDir, 'cgroup'), Target: '/sys/fs/cgroup' }] });
    case 'processNamespace':
      return config({ PidMode: `container:${other}` });
    case 'ipcNamespace':
      return config({ IpcMode: 'host' });
    case 'hostName':
      return nameless(config({ UTSMode: 'host' }));
    case 'cgroupNamespace':
      return config({ CgroupnsMode: 'host' });
    case 'network':
      return { ...nameless(body), HostConfig: { ...body.HostConfig, NetworkMode: `container:${other}` } };
    case 'memory':
      return config({ Memory: 0, MemorySwap: 0 });
    case 'cpu':
      return config({ NanoCpus: 0 });
    case 'processes':
      return config({ PidsLimit: 0 });
    case 'ulimits':
      return config({ Ulimits: [] });
    case 'tmpSize':
      return config({ Tmpfs: { '/tmp': 'rw,exec,nosuid,nodev,mode=1777,size=128m' } });
    case 'shmSize':
      return config({ ShmSize: ATTACK_LIMITS.memoryBytes });
    case 'oomScore':
      return config({ OomScoreAdj: 0 });
    case 'image':
      return { ...body, Image: hostileImage };
    case 'init':
      // The program in its place waits for no orphan.
      return body;
  }
}

/** Runs the rows with these walls gone and no other; answers what each printed. */
export async function runLoosened(
  around: Surroundings,
  controls: readonly ControlName[],
  rows: readonly AttackRow[],
): Promise<ReadonlyMap<string, string>> {
  const { driver, host, image } = around;
  const limits = { ...host.grant.limits, ...ATTACK_LIMITS, shmBytes: shmBytesFor(ATTACK_LIMITS.memoryBytes) };
  const grant: SandboxGrant = { ...host.grant, image: { name: 'base', id: image }, limits };
  const spec = containerSpec(grant);
  const commands = JSON.stringify(rows.map(({ id, command }) => [id, command]));
  const runner = ['python3', '-c', RUNNER, commands];
  // A row that gets at PID 1 must not end the rows after it.
  const whole: ContainerCreateBody = {
    ...spec,
    Entrypoint: controls.includes('init') ? runner : ['sh', '-c', '"$@" & wait', 'sh', ...runner],
  };
  const body = controls.reduce((loose, control) => without(control, loose, around), whole);
  const workspace = body.HostConfig.Mounts?.find(({ Target }) => Target === '/workspace')?.Source ?? '';
  const id = await driver.createContainer(body, `cloister-test-loose-${randomUUID()}`);
  try {
    await driver.start(id);
    await driver.waitForEnd(id);
    const outputs = await Promise.all(rows.map((row) => readFile(join(workspace, `out-${row.id}`), 'utf8')));
    return new Map(rows.map((row, index) => [row.id, outputs[index] ?? '']));
  } finally {
    await driver.remove(id, { force: true });
    for (const name of await readdir(workspace)) if (name.startsWith('out-')) await rm(join(workspace, name));
  }
}
