// What a session is granted: what it asked for, the defaults for the rest, and never silently something else.

import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../../client/protocol/limits.ts';
import { grantPolicy } from '../../../daemon/policy/grant-policy.ts';
import { ProfileTable } from '../../../daemon/policy/profiles.ts';
import { openRequest, policySource, refusal } from '../../support/fake-sandbox.ts';

const MIB = 1024 * 1024;
const grant = (more = {}, source = {}) => grantPolicy(openRequest('s', more), policySource(source));

test('nothing asked is the defaults', () => {
  expect(grant()).toMatchObject({
    profileName: 'workspace-write-no-network',
    imageName: 'base',
    imageReference: 'sha256:base',
    runtime: 'runc',
    limits: DEFAULT_LIMITS,
    idleMs: 60_000,
    ttlMs: null,
  });
});

describe('is refused', () => {
  test.each<[string, object, object, string]>([
    ['an unknown profile', { profile: 'root' }, {}, 'PROFILE_UNKNOWN: profile root is unknown'],
    ['a profile that every object has', { profile: 'constructor' }, {}, 'PROFILE_UNKNOWN: profile constructor is unknown'],
    ['an unknown image', { image: 'ubuntu' }, {}, 'IMAGE_NOT_ALLOWED: image ubuntu is not in images.allow'],
    ['an image that every object has', { image: 'constructor' }, {}, 'IMAGE_NOT_ALLOWED: image constructor is not in images.allow'],
    ['a runtime that is not offered', { runtime: 'runsc' }, {}, 'POLICY_INVALID: runtime runsc is not offered here'],
    [
      'a directory of the host',
      { workspace: { hostPath: '/etc' } },
      {},
      'POLICY_INVALID: no host directory is configured as a workspace root',
    ],
    [
      'two sizes of one disk',
      { workspace: { maxBytes: 2 * MIB }, limits: { diskBytes: 3 * MIB } },
      {},
      'POLICY_INVALID: workspace.maxBytes and limits.diskBytes differ',
    ],
    [
      'a limit above the maximum',
      { limits: { pids: 101 } },
      { maxima: { pids: 100 } },
      "QUOTA_EXCEEDED: limits.pids 101 is above the operator's maximum 100",
    ],
    [
      'a disk above the maximum, asked as workspace',
      { workspace: { maxBytes: 3 * MIB } },
      { maxima: { diskBytes: 2 * MIB } },
      `QUOTA_EXCEEDED: limits.diskBytes ${3 * MIB} is above the operator's maximum ${2 * MIB}`,
    ],
    [
      'a default above the maximum: it is not lowered in silence',
      {},
      { maxima: { cpus: 0.5 } },
      "QUOTA_EXCEEDED: limits.cpus 1 is above the operator's maximum 0.5",
    ],
    [
      'more output than the maximum',
      { limits: { outputBytes: 5000 } },
      { maxima: { outputBytes: 4000 } },
      "QUOTA_EXCEEDED: limits.outputBytes 5000 is above the operator's maximum 4000",
    ],
    [
      'network under a profile without',
      { egress: { allow: ['pypi.org'] } },
      {},
      'POLICY_INVALID: profile workspace-write-no-network forbids network, but egress asks for it',
    ],
  ])('%s', async (_, more, source, why) => {
    expect(await refusal(() => grant(more, source))).toBe(why);
  });
});

describe('limits', () => {
  test('asked are granted to the byte, the others are the defaults', () => {
    expect(grant({ limits: { memoryBytes: 100 * MIB, tmpBytes: 50 * MIB } }).limits).toEqual({
      ...DEFAULT_LIMITS,
      memoryBytes: 100 * MIB,
      tmpBytes: 50 * MIB,
    });
    expect(grant({ workspace: { maxBytes: 7 * MIB } }).limits.diskBytes).toBe(7 * MIB);
    expect(grant({ limits: { pids: 100 } }, { maxima: { pids: 100 } }).limits.pids).toBe(100);
  });

  test('a default /tmp shrinks to three eighths of small memory, so that it and /dev/shm fit into half', () => {
    expect(grant({ limits: { memoryBytes: 64 * MIB } }).limits.tmpBytes).toBe(24 * MIB);
    expect(grant({ limits: { memoryBytes: 1024 * MIB } }).limits.tmpBytes).toBe(DEFAULT_LIMITS.tmpBytes);
  });

  test("an operator's maximum of output holds also for who asks for none", () => {
    expect(grant({}, { maxima: { outputBytes: 4000 } }).limits.outputBytes).toBe(4000);
  });
});

test('equal hashes mean equal policy, whatever the order it was asked in', () => {
  const { sha256 } = grant({ limits: { pids: 99, cpus: 2, outputBytes: 5000 } });
  expect(grant({ limits: { outputBytes: 5000, cpus: 2, pids: 99 } }).sha256).toBe(sha256);
  for (const other of [{ limits: { pids: 98, cpus: 2, outputBytes: 5000 } }, { profile: 'readonly' }, { idleMs: 5000 }, { ttlMs: 5000 }])
    expect(grant(other).sha256).not.toBe(sha256);
});

test.each<[string, boolean]>([
  ['readonly', false],
  ['workspace-write', false],
  ['constructor', true],
  ['mine', true],
  ['../mine', false],
])('a configured profile %s: %s', (name, isAccepted) => {
  expect(ProfileTable.safeParse({ [name]: { workspace: 'rw', network: 'none', seccomp: 'strict' } }).success).toBe(isAccepted);
});
