// Finding and laying out an engine, decided from settings and texts alone.
import { describe, expect, test } from 'vitest';
import { missingControllers } from '../../../daemon/container/engine/cgroup-support.ts';
import { engineArguments, engineLayout } from '../../../daemon/container/engine/engine-layout.ts';
import { crunOnHybrid, engineConfiguration } from '../../../daemon/container/engine/engine-runtimes.ts';
import { mountsBelow } from '../../../daemon/container/engine/engine-leftovers.ts';
import { roleOf } from '../../../daemon/container/engine/engine-processes.ts';
import { engineCandidate, findEngine } from '../../../daemon/container/engine/find-engine.ts';

describe('where an engine is looked for', () => {
  test.each([
    ['the configuration wins', { socketPath: '/c.sock', dockerHost: 'unix:///d.sock' }, '/c.sock', true],
    ['then DOCKER_HOST', { dockerHost: 'unix:///d.sock' }, '/d.sock', true],
    ['then the default socket', {}, '/var/run/docker.sock', false],
    ['an empty DOCKER_HOST is none', { dockerHost: '' }, '/var/run/docker.sock', false],
  ])('%s', (_claim, settings, socketPath, isDemanded) => {
    expect(engineCandidate(settings)).toMatchObject({ verdict: 'try', socketPath, isDemanded });
  });

  test.each(['tcp://10.0.0.1:2375', 'ssh://host', 'http://127.0.0.1:2375', 'unix://', 'relative.sock'])(
    '%s is refused with its reason',
    (dockerHost) => {
      expect(engineCandidate({ dockerHost })).toEqual({
        verdict: 'refuse',
        reason: expect.stringContaining(`DOCKER_HOST is ${dockerHost}: only unix:///path sockets`),
      });
    },
  );

  test('a named engine that does not answer is refused, not replaced', async () => {
    expect(await findEngine({ dockerHost: 'unix:///nowhere/docker.sock' })).toEqual({
      verdict: 'refused',
      reason: expect.stringMatching(/^DOCKER_HOST names \/nowhere\/docker\.sock, and .*ENOENT/),
    });
  });
});

describe('the private engine', () => {
  const layout = engineLayout('/var/lib/cloister');

  test('never touches the network of the host', () => {
    const args = engineArguments(layout, { hasOverlay: true });
    expect(args).toEqual(
      expect.arrayContaining([
        '--bridge=none',
        '--iptables=false',
        '--ip6tables=false',
        '--ip-forward=false',
        '--ip-masq=false',
        '--userland-proxy=false',
        '--live-restore',
        '--storage-driver=overlay2',
      ]),
    );
    expect(args.filter((arg) => arg.startsWith('--host='))).toEqual(['--host=unix:///var/lib/cloister/engine/docker.sock']);
  });

  test('lets the engine choose its storage where overlay cannot stand', () => {
    expect(engineArguments(layout, { hasOverlay: false }).join(' ')).not.toContain('storage-driver');
  });

  test('of another state directory shares no path and no cgroup with it', () => {
    const other = engineLayout('/srv/other');
    for (const key of Object.keys(layout) as (keyof typeof layout)[]) expect(other[key]).not.toBe(layout[key]);
  });

  test('a state directory too long for a unix socket is refused with the length that fits', () => {
    const longest = 107 - '/engine/exec/containerd/containerd.sock.ttrpc'.length;
    const path = `/${'x'.repeat(longest)}`;
    expect(() => engineLayout(path.slice(0, longest))).not.toThrow();
    expect(() => engineLayout(path)).toThrow(`its path is too long for the unix sockets below it (at most ${longest} bytes)`);
  });

  test('knows gVisor and crun only where they are installed', () => {
    expect(JSON.parse(engineConfiguration({ runsc: null, crun: null }))).toEqual({});
    expect(JSON.parse(engineConfiguration({ runsc: '/usr/bin/runsc', crun: null }))).toEqual({
      runtimes: { runsc: { path: '/usr/bin/runsc', runtimeArgs: expect.arrayContaining(['--oci-seccomp']) as string[] } },
    });
    expect(JSON.parse(engineConfiguration({ runsc: null, crun: '/usr/bin/crun' }))).toEqual({
      runtimes: { crun: { path: '/usr/bin/crun' } },
    });
  });

  test('runs crun without the unified hierarchy where it would refuse it, and changes no mount of the host for that', () => {
    expect(crunOnHybrid('/usr/bin/crun')).toMatch(
      /^#!\/bin\/sh\nexec unshare --mount --propagation private sh -c 'umount \/sys\/fs\/cgroup\/unified && exec "\$0" "\$@"' \/usr\/bin\/crun "\$@"\n$/,
    );
  });

  test.each([
    ['its dockerd', ['/usr/sbin/dockerd', `--host=unix://${layout.socketPath}`], 'dockerd'],
    ['its containerd', ['containerd', '--config', layout.containerdConfig, '--log-level', 'warn'], 'containerd'],
    ['its shims', ['/usr/bin/containerd-shim-runc-v2', '-namespace', 'moby', '-id', 'x', '-address', layout.containerdSocket], 'shim'],
    ['not the dockerd of the host', ['/usr/sbin/dockerd', '-H', 'fd://'], null],
    ['not the shims of the host', ['/usr/bin/containerd-shim-runc-v2', '-address', '/run/containerd/containerd.sock'], null],
    ['not an editor that has its paths open', ['vi', layout.containerdConfig], null],
    ['not a process without a command line', [], null],
  ])('recognises %s', (_claim, argv, role) => {
    expect(roleOf(argv, layout)).toBe(role);
  });
});

describe('cgroup controllers', () => {
  const v1 = (names: readonly string[]): string =>
    names.map((name) => `cgroup /sys/fs/cgroup/${name} cgroup rw,relatime,${name} 0 0`).join('\n');
  const all = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'devices', 'freezer'];

  test.each([
    ['a hybrid host with every controller is fit', { mounts: v1(all), unifiedControllers: null }, []],
    [
      'joint mounts count as each',
      { mounts: `${v1(all.slice(2))}\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0`, unifiedControllers: null },
      [],
    ],
    [
      'what is not mounted is named',
      { mounts: v1(all.filter((name) => name !== 'pids' && name !== 'memory')), unifiedControllers: null },
      ['memory', 'pids'],
    ],
    ['a host without any is told all of them', { mounts: '', unifiedControllers: null }, all],
    ['cgroup v2 with its controllers is fit', { mounts: '', unifiedControllers: 'cpuset cpu io memory pids\n' }, []],
    ['cgroup v2 without memory is not', { mounts: '', unifiedControllers: 'cpu pids\n' }, ['memory']],
  ])('%s', (_claim, facts, missing) => {
    expect(missingControllers(facts)).toEqual(missing);
  });
});

test('mounts below a directory come deepest first, and a neighbour of a similar name not at all', () => {
  const line = (point: string): string => `43 27 254:0 / ${point} rw,relatime shared:2 - ext4 /dev/vda rw`;
  const text = ['/s/engine/data', '/s/engine/data/overlay2/x/merged', '/s/engine-other', '/s/engine/exec/with\\040space', '/']
    .map(line)
    .join('\n');
  expect(mountsBelow(text, '/s/engine')).toEqual(['/s/engine/data/overlay2/x/merged', '/s/engine/exec/with space', '/s/engine/data']);
});
