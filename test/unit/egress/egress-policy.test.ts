import { describe, expect, test } from 'vitest';
import type { EgressPolicy } from '../../../client/protocol/session.ts';
import { Config } from '../../../daemon/config.ts';
import { parseNameServer } from '../../../daemon/egress/name-server.ts';
import { egressSha256, grantEgress, isSameEgress, NO_EGRESS } from '../../../daemon/policy/egress-policy.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';

const grant = (asked: EgressPolicy | undefined, name = 'workspace-write') =>
  grantEgress(asked, { name, profile: BUILT_IN_PROFILES[name]! }, 'open session s');

describe('a session is granted', () => {
  test.each<[string, EgressPolicy | undefined, string, unknown]>([
    ['nothing under a profile without network', undefined, 'workspace-write-no-network', NO_EGRESS],
    ['nothing under a profile without network, said twice', { mode: 'off', deny: ['a.test'] }, 'readonly', NO_EGRESS],
    ['an empty list unless it asks', undefined, 'workspace-write', { mode: 'allowlist', allow: [], deny: [], ask: [] }],
    [
      'its entries, normalised and once',
      { allow: ['PyPI.org.', 'pypi.org', '*.GitHub.com:443', '[2606:4700:0:0::1111]:53'] },
      'workspace-write',
      { mode: 'allowlist', allow: ['pypi.org', '*.github.com:443', '[2606:4700::1111]:53'], deny: [], ask: [] },
    ],
    [
      'rules for requests, in order and once',
      { allow: [{ host: 'A.test', methods: ['POST', 'GET'], paths: ['/b', '/a', '/b'] }, { host: 'b.test' }] },
      'workspace-write',
      { mode: 'allowlist', allow: [{ host: 'a.test', methods: ['GET', 'POST'], paths: ['/a', '/b'] }, 'b.test'], deny: [], ask: [] },
    ],
    ['learning', { learn: true }, 'workspace-write', { mode: 'allowlist', allow: [], deny: [], ask: [], learn: true }],
    ['the open internet', { mode: 'open', deny: ['a.test'] }, 'workspace-write', { mode: 'open', allow: [], deny: ['a.test'], ask: [] }],
  ])('%s', (_, asked, profile, expected) => {
    expect(grant(asked, profile)).toEqual(expected);
  });

  test.each<[string, EgressPolicy, string]>([
    ['hosts under a profile without network', { allow: ['a.test'] }, 'readonly'],
    ['a mode under a profile without network', { mode: 'open' }, 'workspace-write-no-network'],
    ['hosts and no way out', { mode: 'off', allow: ['a.test'] }, 'workspace-write'],
    ['learning where nothing is listed', { learn: true, mode: 'open' }, 'workspace-write'],
    ['learning under a profile without network', { learn: true }, 'readonly'],
    ['a path that is none', { allow: [{ host: 'a.test', paths: ['v1/'] }] }, 'workspace-write'],
    ['a path with dots', { allow: [{ host: 'a.test', paths: ['/v1/../'] }] }, 'workspace-write'],
    ['a path with a query', { allow: [{ host: 'a.test', paths: ['/v1?a=b'] }] }, 'workspace-write'],
    ['rules for no host', { allow: [{ host: '*', methods: ['GET'] }] }, 'workspace-write'],
    ...[
      '*',
      '*.',
      '**.a.test',
      'a.*.test',
      'http://a.test',
      'a.test/path',
      'a.test:0',
      'a.test:65536',
      'a.test:',
      'a..test',
      'localhost',
      'user@a.test',
      '*.1.2.3.4',
      '1.2.3',
      'ä.test',
      '[::1',
      '10.0.0.0/8',
      ' a.test',
    ].map((entry): [string, EgressPolicy, string] => [`the entry ${JSON.stringify(entry)}`, { allow: [entry] }, 'workspace-write']),
  ])('never %s', (_, asked, profile) => {
    expect(() => grant(asked, profile)).toThrow(expect.objectContaining({ code: 'POLICY_INVALID' }) as Error);
  });

  test('the same whatever the order of its entries, and another hash for another policy', () => {
    const [a, b, c] = [grant({ allow: ['a.test', 'b.test'] }), grant({ allow: ['b.test', 'a.test'] }), grant({ allow: ['a.test'] })];
    expect(isSameEgress(a, b)).toBe(true);
    expect(isSameEgress(a, c)).toBe(false);
    expect(egressSha256(grant({ allow: ['a.test'] }))).not.toBe(egressSha256(grant({ deny: ['a.test'] })));
  });
});

describe('an operator', () => {
  test('states name servers as text or as a list', () => {
    expect(Config.parse({ egress: { resolver: '127.0.0.1:5353' } }).egress.resolver).toEqual(['127.0.0.1:5353']);
    expect(
      ['192.0.2.1', '192.0.2.1:5353', '2001:db8::1', '[2001:db8::1]:5353', 'ns.example.com', '192.0.2.1:x'].map(parseNameServer),
    ).toEqual([
      { address: '192.0.2.1', port: 53 },
      { address: '192.0.2.1', port: 5353 },
      { address: '2001:db8::1', port: 53 },
      { address: '2001:db8::1', port: 5353 },
      null,
      null,
    ]);
  });

  test.each<[string, object]>([
    ['a metadata address opened', { allowPrivate: ['169.254.169.254/32'] }],
    ['all of link-local opened', { allowPrivate: ['169.254.0.0/16'] }],
    ['a range with bits beyond its length', { allowPrivate: ['10.1.2.3/8'] }],
    ['a block entry that is nothing', { blocklistExtra: ['*'] }],
    ['a shorter blocklist', { blocklist: [] }],
    ['a name for a name server', { resolver: 'ns.example.com' }],
    ["a workspace's identity for the egress process", { uid: 200_005 }],
  ])('does not get %s', (_, egress) => {
    expect(Config.safeParse({ egress }).success).toBe(false);
  });
});
