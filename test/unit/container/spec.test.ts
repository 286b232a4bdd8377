// The create body of a sandbox: what it always says, what of the grant it carries, and what it refuses to build.
import { describe, expect, test } from 'vitest';
import { type SandboxGrant, shmBytesFor } from '../../../daemon/container/grant.ts';
import { containerSpec } from '../../../daemon/container/spec.ts';
import { sandboxEtcFiles } from '../../../daemon/container/spec-etc-files.ts';
import { GRANT } from './receipt-evidence.ts';

const MEBIBYTE = 1024 * 1024;
const withLimits = (limits: Partial<SandboxGrant['limits']>): SandboxGrant => ({ ...GRANT, limits: { ...GRANT.limits, ...limits } });

describe('the create body', () => {
  test('is the one of the architecture', () => {
    const bind = (Source: string, Target: string) => ({
      Type: 'bind',
      Source,
      Target,
      BindOptions: { Propagation: 'rprivate', NonRecursive: true },
    });
    const { HostConfig, ...config } = containerSpec(GRANT);
    expect(config).toEqual({
      Image: GRANT.image.id,
      Hostname: 'sandbox',
      User: '200001:200001',
      Env: ['HOME=/tmp/home', 'TMPDIR=/tmp'],
      Labels: { 'cloister.instance': 'i1', 'cloister.sandbox': 'sb1', 'cloister.role': 'sandbox' },
      Entrypoint: ['/run/cloister-init'],
      Cmd: [],
      WorkingDir: '/workspace',
      Tty: false,
      OpenStdin: false,
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Healthcheck: { Test: ['NONE'] },
      StopSignal: 'SIGTERM',
    });
    const { MaskedPaths, ReadonlyPaths, ...rest } = HostConfig;
    expect(rest).toEqual({
      Mounts: [
        bind('/state/run-ro/s1', '/run/cloister'),
        bind('/state/lib-ro/cloister-init', '/run/cloister-init'),
        ...['passwd', 'group', 'hosts', 'hostname', 'resolv.conf'].map((name) => bind(`/state/run-ro/s1/etc/${name}`, `/etc/${name}`)),
        bind('/state/pool/ws/w1', '/workspace'),
      ],
      Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,mode=1777,size=${128 * MEBIBYTE},nr_inodes=16384` },
      NetworkMode: 'none',
      Privileged: false,
      ReadonlyRootfs: true,
      AutoRemove: false,
      Init: false,
      CapAdd: [],
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true', `seccomp=${GRANT.profile.seccomp.json}`],
      IpcMode: 'private',
      CgroupnsMode: 'private',
      Runtime: 'runc',
      Memory: 512 * MEBIBYTE,
      MemorySwap: 512 * MEBIBYTE,
      NanoCpus: 1e9,
      CpuShares: 256,
      PidsLimit: 256,
      OomScoreAdj: 500,
      ShmSize: 64 * MEBIBYTE,
      Ulimits: [
        { Name: 'nofile', Soft: 4096, Hard: 16_384 },
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'fsize', Soft: 1024 * MEBIBYTE, Hard: 1024 * MEBIBYTE },
        { Name: 'memlock', Soft: 65_536, Hard: 65_536 },
      ],
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none' },
    });
    expect(MaskedPaths).toEqual(expect.arrayContaining(['/proc/kcore', '/proc/keys', '/proc/kallsyms', '/sys/firmware']));
    expect(ReadonlyPaths).toEqual(['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']);
  });

  test('carries further labels and fractions of a processor', () => {
    const body = containerSpec({ ...withLimits({ cpus: 0.001 }), labels: { 'cloister-tenant': 'acme' } });
    expect(body.Labels).toMatchObject({ 'cloister-tenant': 'acme', 'cloister.sandbox': 'sb1' });
    expect(body.HostConfig).toMatchObject({ NanoCpus: 1_000_000, CpuShares: 2 });
  });

  test('ends sparse giants where the store has no quota', () => {
    expect(containerSpec(withLimits({ diskBytes: null })).HostConfig.Ulimits).toContainEqual({
      Name: 'fsize',
      Soft: 64 * 1024 ** 3,
      Hard: 64 * 1024 ** 3,
    });
  });

  test('says nothing of tenant, session, workspace name or policy', () => {
    const text = JSON.stringify(
      containerSpec({
        ...GRANT,
        policySha256: 'secret-policy',
        workspace: { name: 'secret-name', store: 'btrfs', quota: 'hard' },
      }),
    );
    expect(text).not.toContain('secret');
  });

  test.each<[string, SandboxGrant, string, RegExp]>([
    ['/tmp and /dev/shm above half of memory', withLimits({ tmpBytes: 193 * MEBIBYTE }), 'INVALID_REQUEST', /more than half/],
    ['no memory', withLimits({ memoryBytes: 0 }), 'INVALID_REQUEST', /memoryBytes/],
    ['memory that is no number', withLimits({ memoryBytes: Number.NaN }), 'INVALID_REQUEST', /memoryBytes/],
    ['half a process', withLimits({ pids: 1.5 }), 'INVALID_REQUEST', /pids/],
    ['no disk', withLimits({ diskBytes: 0 }), 'INVALID_REQUEST', /diskBytes/],
    ['no processor', withLimits({ cpus: 0 }), 'INVALID_REQUEST', /cpus/],
    ['processors without end', withLimits({ cpus: Number.POSITIVE_INFINITY }), 'INVALID_REQUEST', /cpus/],
    ['uid 0', { ...GRANT, uid: 0 }, 'INTERNAL', /identity/],
    ['gid 0', { ...GRANT, gid: 0 }, 'INTERNAL', /identity/],
    ['a label of ours', { ...GRANT, labels: { 'cloister.role': 'daemon' } }, 'INTERNAL', /labels/],
    ['a relative path', { ...GRANT, paths: { ...GRANT.paths, workspacePath: 'ws' } }, 'INTERNAL', /absolute/],
    ['a path that leads up', { ...GRANT, paths: { ...GRANT.paths, workspacePath: '/state/../etc' } }, 'INTERNAL', /absolute/],
    ["the host's root", { ...GRANT, paths: { ...GRANT.paths, workspacePath: '/' } }, 'INTERNAL', /absolute/],
  ])('is not built with %s', (_, grant, code, cause) => {
    expect(() => containerSpec(grant)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(cause) }));
  });
});

test('/dev/shm is an eighth of memory, at most 64 MiB and never nothing', () => {
  expect([512, 128, 64, 4].map((mebibytes) => shmBytesFor(mebibytes * MEBIBYTE) / MEBIBYTE)).toEqual([64, 16, 8, 1]);
});

test("the files of /etc name the sandbox's user, no resolver but loopback, and no host", () => {
  const files = sandboxEtcFiles({ uid: 200_001, gid: 200_002 });
  expect(Object.keys(files)).toEqual(['passwd', 'group', 'hosts', 'hostname', 'resolv.conf']);
  expect(files['passwd']).toContain('sandbox:x:200001:200002:sandbox:/tmp/home:/bin/sh\n');
  expect(files['group']).toContain('sandbox:x:200002:\n');
  expect(files['hosts']).toMatch(/^127\.0\.0\.1 localhost sandbox\n::1 localhost/);
  expect(files['resolv.conf']?.match(/^nameserver .*$/gm)).toEqual(['nameserver 127.0.0.1']);
});
