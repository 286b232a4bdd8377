// Every refusal of the set-up names its cause and its remedy, decided from facts alone.
import { describe, expect, test } from 'vitest';
import { ProgramError } from '../../../daemon/container/image/child-process.ts';
import { aptFailure } from '../../../daemon/setup/apt.ts';
import {
  chooseEngine,
  choosePackages,
  chooseRecipe,
  type HostFacts,
  judgePlatform,
  judgeSpace,
  type PackageNeeds,
  PROGRAMS,
} from '../../../daemon/setup/decisions.ts';
import { distributionsOf } from '../../../daemon/setup/host-facts.ts';

const debian: HostFacts = { platform: 'linux', arch: 'x64', isRoot: true, distributions: ['debian'], programs: new Set() };
const complete: HostFacts = { ...debian, programs: new Set(PROGRAMS) };
const fedora: HostFacts = { ...debian, distributions: ['fedora'] };
const user: HostFacts = { ...debian, isRoot: false };
const nothing: PackageNeeds = { needsEngine: false, needsRecipe: false, needsCompiler: false, testPackages: [] };
const everything: PackageNeeds = { needsEngine: true, needsRecipe: true, needsCompiler: true, testPackages: ['valgrind'] };
const without = (...programs: string[]): ReadonlySet<string> => new Set(PROGRAMS.filter((program) => !programs.includes(program)));

describe('the platform', () => {
  test.each(['x64', 'arm64'])('Linux on %s is fit', (arch) => {
    expect(judgePlatform({ ...debian, arch })).toEqual({ verdict: 'ok' });
  });

  test.each([
    ['macOS is refused', { ...debian, platform: 'darwin' }, 'this host runs darwin', /^Use a Linux host/],
    ['32-bit ARM is refused', { ...debian, arch: 'arm' }, 'the architecture is arm', /^Use a host with x86-64 or arm64/],
  ])('%s', (_claim, facts, reason, remedy) => {
    expect(judgePlatform(facts)).toEqual({ verdict: 'refuse', reason, remedy: expect.stringMatching(remedy) });
  });
});

describe('the engine', () => {
  const absent = { verdict: 'absent', reason: 'nothing listens' } as const;

  test('one that is found is used, whoever we are', () => {
    expect(chooseEngine({ verdict: 'found', socketPath: '/s', origin: 'DOCKER_HOST', version: '24' }, user)).toMatchObject({
      verdict: 'ok',
      kind: 'found',
      socketPath: '/s',
    });
  });

  test.each([
    ['root on Debian gets a private one', debian],
    ['root on Ubuntu gets a private one', { ...debian, distributions: ['ubuntu', 'debian'] }],
    ['root elsewhere gets one if dockerd is installed', { ...fedora, programs: new Set(['dockerd']) }],
  ])('%s', (_claim, facts) => {
    expect(chooseEngine(absent, facts)).toMatchObject({ verdict: 'ok', kind: 'private' });
  });

  test.each([
    [
      'one that was named and does not answer is not replaced',
      { verdict: 'refused', reason: 'DOCKER_HOST names /s, and it is down' } as const,
      debian,
      'DOCKER_HOST names /s, and it is down',
      /unset DOCKER_HOST/,
    ],
    [
      'without one, a user is told to become root or start one',
      absent,
      user,
      'no engine can be used (nothing listens) and this is not root',
      /Run this as root/,
    ],
    [
      'without one, root elsewhere is told to install one',
      absent,
      fedora,
      'no engine is running and this is neither Debian nor Ubuntu',
      /Install Docker Engine/,
    ],
  ])('%s', (_claim, found, facts, reason, remedy) => {
    expect(chooseEngine(found, facts)).toEqual({ verdict: 'refuse', reason, remedy: expect.stringMatching(remedy) });
  });
});

describe('packages', () => {
  test.each([
    ['a complete host needs none', nothing, complete, []],
    ['what is installed is not asked for again', { ...everything, testPackages: [] }, complete, []],
    ['a host with an engine needs no docker.io', nothing, { ...complete, programs: without('dockerd', 'containerd') }, []],
    [
      'a private engine needs docker.io',
      { ...nothing, needsEngine: true },
      { ...complete, programs: without('dockerd') },
      ['docker.io', 'containerd', 'runc'],
    ],
    ['a cached base image needs no mmdebstrap', nothing, { ...complete, programs: without('mmdebstrap') }, []],
    [
      'a base image to be built needs it',
      { ...nothing, needsRecipe: true },
      { ...complete, programs: without('mmdebstrap') },
      ['mmdebstrap', 'debian-archive-keyring'],
    ],
    ['a compiled init needs no compiler', nothing, { ...complete, programs: without('gcc', 'make') }, []],
    ['root gets btrfs for its workspaces', nothing, { ...complete, programs: without('mkfs.btrfs') }, ['btrfs-progs']],
    ['test packages come on top', { ...nothing, testPackages: ['valgrind'] }, complete, ['valgrind']],
    ['a user without btrfs works on plain directories', nothing, { ...user, programs: without('mkfs.btrfs', 'btrfs') }, []],
    [
      'a user with gcc compiles without musl',
      { ...nothing, needsCompiler: true },
      { ...user, programs: without('musl-gcc', 'mkfs.btrfs') },
      [],
    ],
  ])('%s', (_claim, needs, facts, install) => {
    expect(choosePackages(needs, facts)).toEqual({ verdict: 'ok', install });
  });

  test.each([
    [
      'a user without a compiler is told what to install',
      { ...nothing, needsCompiler: true },
      user,
      'gcc, make not installed, and this is not root',
      /apt-get install gcc libc6-dev make/,
    ],
    [
      'root elsewhere is told what to install',
      { ...nothing, needsCompiler: true },
      fedora,
      'gcc, make not installed, and this is neither Debian nor Ubuntu',
      /^Install gcc, make/,
    ],
    [
      'a user is told which test packages are missing',
      { ...nothing, testPackages: ['valgrind'] },
      { ...user, programs: complete.programs },
      'the tests use valgrind, which cannot be installed here',
      /apt-get install valgrind/,
    ],
  ])('%s', (_claim, needs, facts, reason, remedy) => {
    expect(choosePackages(needs, facts)).toEqual({ verdict: 'refuse', reason, remedy: expect.stringMatching(remedy) });
  });

  test.each([
    [
      'an unreachable mirror',
      'Err:1 http://mirror bookworm\n  Could not connect\nE: Failed to fetch http://mirror/x  Could not connect to mirror',
      'apt cannot reach its mirrors: ',
      /network/,
    ],
    [
      'an unknown package',
      'E: Unable to locate package docker.io',
      'apt does not know a package: E: Unable to locate package docker.io',
      /main component/,
    ],
    ['a broken dpkg', 'E: dpkg was interrupted', 'apt-get could not install runc: E: dpkg was interrupted', /by hand/],
  ])('%s is told apart', (_claim, output, reason, remedy) => {
    const error = aptFailure(['runc'], new ProgramError('apt-get', 100, 'ended with exit code 100', output));
    expect(error).toMatchObject({
      step: 'packages',
      message: expect.stringContaining(`Cannot finish the set-up step packages: ${reason}`),
      hint: expect.stringMatching(remedy),
    });
  });
});

describe('the recipe of the base image', () => {
  test.each([
    ['root on Debian builds from packages', debian, 'packages'],
    ['a user builds through the engine', user, 'dockerfile'],
    ['another distribution builds through the engine', fedora, 'dockerfile'],
  ])('%s', (_claim, facts, kind) => {
    expect(chooseRecipe(facts)).toBe(kind);
  });
});

describe('disk space', () => {
  test('enough of it is no matter', () => {
    expect(judgeSpace([{ path: '/a', freeBytes: 10, neededBytes: 10 }])).toEqual({ verdict: 'ok' });
  });

  test('too little names the place, what is free and what is needed', () => {
    const judged = judgeSpace([
      { path: '/a', freeBytes: 2 ** 30, neededBytes: 10 },
      { path: '/b', freeBytes: 2 ** 20, neededBytes: 2 ** 30 },
    ]);
    expect(judged).toMatchObject({
      verdict: 'refuse',
      reason: '/b has 1 MiB free and needs 1024 MiB',
      remedy: expect.stringContaining('CLOISTER_CACHE_DIR'),
    });
  });
});

test('the distribution and its parents are read from os-release', () => {
  expect(distributionsOf('NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"\n')).toEqual(['linuxmint', 'ubuntu', 'debian']);
  expect(distributionsOf('')).toEqual([]);
});
