// Section 5 of the CIS Docker Benchmark (container runtime), row by row, as the engine tells it of a real sandbox. What
// the benchmark asks of the host or of an administrator's habits is not here.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import { processesOf } from '../support/host-view.ts';
import { engineSocket, startTestDaemon, type TestDaemon } from '../support/test-daemon.ts';

const List = z
  .array(z.unknown())
  .nullish()
  .transform((list) => list ?? []);
const Inspect = z.object({
  Image: z.string(),
  ExecIDs: List,
  AppArmorProfile: z.string(),
  Config: z.object({
    User: z.string(),
    Image: z.string(),
    Healthcheck: z.object({ Test: z.array(z.string()) }),
    ExposedPorts: z.unknown().optional(),
  }),
  HostConfig: z.object({
    Privileged: z.boolean(),
    CapAdd: List,
    CapDrop: z.array(z.string()),
    NetworkMode: z.string(),
    PortBindings: z.record(z.string(), z.unknown()).nullish(),
    PublishAllPorts: z.boolean(),
    Memory: z.number(),
    MemorySwap: z.number(),
    NanoCpus: z.number(),
    CpuShares: z.number(),
    ReadonlyRootfs: z.boolean(),
    RestartPolicy: z.object({ Name: z.string() }),
    PidMode: z.string(),
    IpcMode: z.string(),
    UTSMode: z.string(),
    UsernsMode: z.string(),
    CgroupParent: z.string(),
    Devices: List,
    Ulimits: z.array(z.object({ Name: z.string(), Hard: z.number() })),
    SecurityOpt: z.array(z.string()),
    PidsLimit: z.number(),
  }),
  Mounts: z.array(z.object({ Source: z.string(), Destination: z.string(), Propagation: z.string() })),
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.unknown()) }),
});

const SENSITIVE = ['/', '/boot', '/dev', '/etc', '/lib', '/proc', '/sys', '/usr', '/var', '/root', '/home'];

let daemon: TestDaemon;
let box: z.infer<typeof Inspect>;
let sandboxId: string;

beforeAll(async () => {
  daemon = await startTestDaemon();
  const sandbox = await (await daemon.connect('acme')).open({ session: 'cis', profile: 'workspace-write' });
  sandboxId = sandbox.id;
  await sandbox.exec('true');
  const { stdout } = await promisify(execFile)('docker', ['inspect', `cloister-${sandbox.id}`], {
    env: { PATH: process.env['PATH'], DOCKER_HOST: `unix://${engineSocket()}` },
  });
  box = z.array(Inspect).length(1).parse(JSON.parse(stdout))[0]!;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

describe('CIS Docker Benchmark, section 5', () => {
  test.each<[string, (inspect: z.infer<typeof Inspect>) => unknown, unknown]>([
    [
      '5.1 and 5.2: no mandatory access control of the engine is switched off',
      (b) => [b.AppArmorProfile, b.HostConfig.SecurityOpt].flat().filter((o) => /unconfined|label[:=]disable/.test(o)),
      [],
    ],
    ['5.3: every capability is dropped and none is added', ({ HostConfig: h }) => [h.CapDrop, h.CapAdd], [['ALL'], []]],
    ['5.4: it is not privileged', ({ HostConfig: h }) => h.Privileged, false],
    [
      '5.5: no sensitive directory of the host is mounted',
      (b) => b.Mounts.map((m) => m.Source).filter((source) => SENSITIVE.includes(source)),
      [],
    ],
    [
      '5.7, 5.8 and 5.13: no port of the host is mapped',
      ({ HostConfig: h, Config: c }) => [Object.keys(h.PortBindings ?? {}), h.PublishAllPorts, c.ExposedPorts ?? null],
      [[], false, null],
    ],
    [
      '5.9 and 5.29: it has neither the host’s network nor the default bridge',
      ({ HostConfig: h, NetworkSettings: n }) => [h.NetworkMode, Object.keys(n.Networks)],
      ['none', ['none']],
    ],
    ['5.10: its memory is limited, with no swap beyond', ({ HostConfig: h }) => [h.Memory > 0, h.MemorySwap - h.Memory], [true, 0]],
    ['5.11: its processor time is limited and weighted', ({ HostConfig: h }) => [h.NanoCpus > 0, h.CpuShares > 0], [true, true]],
    ['5.12: its root is read-only', ({ HostConfig: h }) => h.ReadonlyRootfs, true],
    ['5.14: it is never started again', ({ HostConfig: h }) => h.RestartPolicy.Name, 'no'],
    [
      '5.15, 5.16, 5.20 and 5.30: it shares no namespace with the host',
      ({ HostConfig: h }) => [h.PidMode, h.IpcMode, h.UTSMode, h.UsernsMode],
      ['', 'private', '', ''],
    ],
    ['5.17: no device of the host is in it', ({ HostConfig: h }) => h.Devices, []],
    [
      '5.18: its ulimits are its own',
      ({ HostConfig: h }) => h.Ulimits.map(({ Name }) => Name).toSorted(),
      ['core', 'fsize', 'memlock', 'nofile'],
    ],
    ['5.19: no mount is shared', (b) => b.Mounts.filter((m) => m.Propagation !== 'rprivate'), []],
    [
      '5.21: a seccomp profile is in force',
      ({ HostConfig: h }) => h.SecurityOpt.filter((o) => o.startsWith('seccomp=')).map((o) => o.includes('SCMP_ACT_ERRNO')),
      [true],
    ],
    ['5.22 and 5.23: nothing is run by the engine’s exec', (b) => b.ExecIDs, []],
    ['5.24: its cgroup is where the engine puts it', ({ HostConfig: h }) => h.CgroupParent, ''],
    ['5.25: it may gain no privilege', ({ HostConfig: h }) => h.SecurityOpt.includes('no-new-privileges:true'), true],
    ['5.26: health is PID 1’s link to the daemon, and no command of the image', ({ Config: c }) => c.Healthcheck.Test, ['NONE']],
    ['5.27: its image is one by content', (b) => [/^sha256:[0-9a-f]{64}$/.test(b.Image), b.Config.Image === b.Image], [true, true]],
    ['5.28: its processes are limited', ({ HostConfig: h }) => h.PidsLimit > 0, true],
    [
      '5.31: the engine’s socket is not in it',
      (b) => b.Mounts.filter((m) => /docker\.sock|containerd\.sock/.test(m.Source + m.Destination)),
      [],
    ],
    ['4.1: it does not run as root', ({ Config: c }) => /^[1-9]\d{4,}:[1-9]\d{4,}$/.test(c.User), true],
  ])('%s', (_, read, expected) => {
    expect(read(box)).toEqual(expected);
  });

  test('5.6: nothing but init runs in it, and so no sshd', async () => {
    const rest = await eventually(
      async () => (await processesOf(daemon.driver, sandboxId)).filter(({ command }) => !command.includes('cloister-init')),
      (all) => all.length === 0,
    );
    expect(rest).toEqual([]);
  });
});
