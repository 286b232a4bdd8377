// Reading /proc and the cgroups of a container's PID 1, on trees laid out as cgroup v1, v2 and hybrid kernels do.
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readKernelView } from '../../../daemon/container/kernel-view.ts';
import * as proc from '../../../daemon/container/proc-text.ts';

const ID = 'c'.repeat(64);
const V1_NO_LIMIT = '9223372036854771712\n';
let root = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-kernel-view-'));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

async function lay(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
}

async function layProcess(cgroup: string): Promise<void> {
  await lay({
    'proc/7/cgroup': cgroup,
    'proc/7/status': 'Uid:\t200001\t200001\t200001\t200001\nNSpid:\t7\t1\n',
    'proc/7/mountinfo':
      '88 56 0:43 / / ro,relatime master:2 - overlay overlay rw\n105 88 0:41 /ws/a\\040b /workspace rw,nosuid,nodev - btrfs /dev/loop0 rw\n',
    'proc/7/net/dev': 'Inter-| Receive\n face |bytes\n    lo:      10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n',
    'proc/7/net/route': 'Iface\tDestination\tGateway\neth0\t00000000\t0111A8C0\n',
    'proc/7/oom_score_adj': '500\n',
    'proc/7/limits':
      'Limit                     Soft Limit           Hard Limit           Units\nMax open files            4096                 unlimited            files\n',
    'proc/7/exe': 'init',
    'proc/7/root/workspace/file': '',
    'proc/swaps': 'Filename\tType\tSize\tUsed\tPriority\n',
    'proc/7/ns/keep': '',
    'proc/self/ns/keep': '',
  });
  await symlink('net:[2]', join(root, 'proc/7/ns/net'));
  await symlink('net:[1]', join(root, 'proc/self/ns/net'));
}

const read = () =>
  readKernelView({
    pid: 7,
    containerId: ID,
    files: ['/workspace', '/missing'],
    hostFiles: [join(root, 'proc/7/root/workspace')],
    procRoot: join(root, 'proc'),
    cgroupRoot: join(root, 'cgroup'),
  });

const splitFiles = (limits: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(limits).map(([file, text]) => [`cgroup/${file.split('.')[0]}/docker/${ID}/${file}`, text]));
const SPLIT = `4:memory:/docker/${ID}\n3:pids:/docker/${ID}\n2:cpuacct,cpu:/docker/${ID}\n0::/docker/${ID}\n`;
const UNIFIED_DIRECTORY = `cgroup/system.slice/docker-${ID}.scope`;

describe("the kernel's view", () => {
  test('is read from cgroup v1, hybrid or not', async () => {
    await layProcess(SPLIT);
    await lay(
      splitFiles({
        'memory.limit_in_bytes': '1048576\n',
        'memory.memsw.limit_in_bytes': '1052672\n',
        'pids.max': '64\n',
        'cpu.cfs_quota_us': '50000\n',
        'cpu.cfs_period_us': '100000\n',
      }),
    );
    const { ino, dev } = await stat(join(root, 'proc/7/root/workspace'));
    expect(await read()).toEqual({
      pid: 7,
      status: { Uid: '200001\t200001\t200001\t200001', NSpid: '7\t1' },
      mounts: [
        {
          target: '/',
          device: '0:43',
          root: '/',
          fsType: 'overlay',
          flags: ['ro', 'relatime'],
          propagation: ['master:2'],
          superOptions: ['rw'],
        },
        {
          target: '/workspace',
          device: '0:41',
          root: '/ws/a b',
          fsType: 'btrfs',
          flags: ['rw', 'nosuid', 'nodev'],
          propagation: [],
          superOptions: ['rw'],
        },
      ],
      interfaces: [{ name: 'lo', bytes: 30 }],
      routes: [{ device: 'eth0', destination: '00000000' }],
      ipv6AddressDevices: [],
      namespaces: { net: 'net:[2]' },
      ownNamespaces: { net: 'net:[1]' },
      executable: expect.stringMatching(/^\d+:\d+$/),
      files: { '/workspace': `${dev}:${ino}`, '/missing': 'absent' },
      hostFiles: { [join(root, 'proc/7/root/workspace')]: `${dev}:${ino}` },
      oomScoreAdj: 500,
      limits: { 'Max open files': { soft: 4096, hard: Number.POSITIVE_INFINITY } },
      cgroup: { version: 1, memoryBytes: 1_048_576, swapBytes: 4096, hostHasSwap: false, pids: 64, cpus: 0.5 },
    });
  });

  test('says of cgroup v1 what is unlimited or not accounted', async () => {
    await layProcess(SPLIT);
    await lay({
      ...splitFiles({
        'memory.limit_in_bytes': V1_NO_LIMIT,
        'pids.max': 'max\n',
        'cpu.cfs_quota_us': '-1\n',
        'cpu.cfs_period_us': '100000\n',
      }),
      'proc/swaps': 'Filename\tType\n/dev/vdb\tpartition\n',
    });
    expect((await read()).cgroup).toEqual({
      version: 1,
      memoryBytes: Number.POSITIVE_INFINITY,
      swapBytes: undefined,
      hostHasSwap: true,
      pids: Number.POSITIVE_INFINITY,
      cpus: Number.POSITIVE_INFINITY,
    });
  });

  test('is read from cgroup v2', async () => {
    await layProcess(`0::/system.slice/docker-${ID}.scope\n`);
    await lay({
      'cgroup/cgroup.controllers': 'cpu memory pids\n',
      [`${UNIFIED_DIRECTORY}/memory.max`]: '1048576\n',
      [`${UNIFIED_DIRECTORY}/memory.swap.max`]: '0\n',
      [`${UNIFIED_DIRECTORY}/pids.max`]: '64\n',
      [`${UNIFIED_DIRECTORY}/cpu.max`]: '150000 100000\n',
    });
    expect((await read()).cgroup).toEqual({ version: 2, memoryBytes: 1_048_576, swapBytes: 0, hostHasSwap: false, pids: 64, cpus: 1.5 });
    await lay({
      [`${UNIFIED_DIRECTORY}/memory.max`]: 'max\n',
      [`${UNIFIED_DIRECTORY}/memory.swap.max`]: 'max\n',
      [`${UNIFIED_DIRECTORY}/pids.max`]: 'max\n',
      [`${UNIFIED_DIRECTORY}/cpu.max`]: 'max 100000\n',
    });
    const none = Number.POSITIVE_INFINITY;
    expect((await read()).cgroup).toEqual({ version: 2, memoryBytes: none, swapBytes: none, hostHasSwap: false, pids: none, cpus: none });
  });

  test.each([
    ['the process id belongs to something else now', `0::/user.slice\n`],
    [
      "the cgroup lies outside of the daemon's own namespace",
      `4:memory:/../../docker/${ID}\n3:pids:/../../docker/${ID}\n2:cpu:/../../docker/${ID}\n`,
    ],
    ['a controller is missing', `4:memory:/docker/${ID}\n`],
  ])('is not taken when %s', async (_, cgroup) => {
    await layProcess(cgroup);
    await expect(read()).rejects.toMatchObject({
      code: 'SANDBOX_FAILED',
      message: expect.stringContaining("Cannot read the kernel's view"),
    });
  });

  test('is not taken of a process that is gone', async () => {
    await expect(read()).rejects.toMatchObject({ code: 'SANDBOX_FAILED' });
  });
});

test('sizes of a tmpfs are bytes whatever the suffix, and unknown without one', () => {
  expect([['size=65536k'], ['size=4096'], ['size=2m'], ['size=1g'], ['rw'], ['size=50%']].map(proc.sizeOption)).toEqual([
    65536 * 1024,
    4096,
    2 * 1024 ** 2,
    1024 ** 3,
    undefined,
    undefined,
  ]);
});

test('routes and addresses of IPv6 name their device', () => {
  const route = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 00000001 00000000 00200200       lo\n`;
  expect(proc.parseIpv6Routes(route)).toEqual([{ device: 'lo', destination: `${'0'.repeat(32)}/00` }]);
  expect(proc.parseIpv6AddressDevices(`${'0'.repeat(31)}1 01 80 10 80       lo\n`)).toEqual(['lo']);
});
