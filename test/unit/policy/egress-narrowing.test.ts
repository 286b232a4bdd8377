// A reload of the operator's rules narrows what sessions that run may reach, at once, and never widens it.

import { expect, test } from 'vitest';
import type { PermissionRule } from '../../../client/protocol/permissions.ts';
import { narrowEgress } from '../../../daemon/policy/egress-narrowing.ts';
import { type GrantedEgress, NO_EGRESS } from '../../../daemon/policy/egress-policy.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import type { RuleOrPreset } from '../../../daemon/policy/permission-presets.ts';
import { BUILT_IN_PROFILES, type Profile } from '../../../daemon/policy/profiles.ts';

const WRITE: Profile = BUILT_IN_PROFILES['workspace-write']!;
const ALL: RuleOrPreset = { preset: 'full' };
const rule = (action: PermissionRule['action'], ...allowlist: string[]): PermissionRule => ({
  tool: 'egress',
  domain: { allowlist },
  action,
});
const list = (...allow: GrantedEgress['allow']): GrantedEgress => ({ mode: 'allowlist', allow, deny: [], ask: [] });
const OPEN: GrantedEgress = { ...list(), mode: 'open' };

test.each<[string, GrantedEgress, readonly RuleOrPreset[], GrantedEgress]>([
  ['rules that say nothing of it leave it as it is', list('pypi.org'), [{ preset: 'profile' }], list('pypi.org')],
  [
    'a host that is denied now is closed',
    list('pypi.org', 'npmjs.org'),
    [rule('deny', 'pypi.org'), ALL],
    { ...list('npmjs.org'), deny: ['pypi.org'] },
  ],
  [
    'so is one that is let through by request',
    list({ host: 'api.test', methods: ['GET'] }),
    [rule('deny', 'api.test'), ALL],
    { ...list(), deny: ['api.test'] },
  ],
  [
    'below a wildcard the denied name is closed',
    list('*.github.com'),
    [rule('deny', 'gist.github.com'), ALL],
    { ...list('*.github.com'), deny: ['gist.github.com'] },
  ],
  [
    'a host that is asked about now is asked about',
    list('pypi.org'),
    [rule('ask', 'pypi.org'), ALL],
    { ...list('pypi.org'), ask: ['pypi.org'] },
  ],
  [
    'what was asked about and is denied is not asked about',
    { ...list(), ask: ['pypi.org'] },
    [rule('deny', 'pypi.org'), ALL],
    { ...list(), deny: ['pypi.org'] },
  ],
  ['what was open to all is open to what the list names', { ...OPEN, allow: ['a.test:81'] }, [rule('allow', '.test')], list('a.test:81')],
  [
    'what stays open to all is closed where it is denied',
    OPEN,
    [rule('deny', '.corp.example'), ALL],
    { ...OPEN, deny: ['*.corp.example'] },
  ],
  ['what is closed stays closed', NO_EGRESS, [ALL], NO_EGRESS],
])('%s', (_claim, egress, rules, expected) => {
  expect(narrowEgress(egress, WRITE, grantPermissions(undefined, { name: 'p', profile: WRITE }, { rules, hardFloor: true }))).toEqual(
    expected,
  );
});

test('a profile that has lost its network leaves no way out; one that is gone changes nothing', () => {
  expect(narrowEgress(list('pypi.org'), { ...WRITE, network: 'none' }, null)).toEqual(NO_EGRESS);
  expect(narrowEgress(list('pypi.org'), null, null)).toEqual(list('pypi.org'));
});

test('more entries than the judge is told of leave no way out', () => {
  const names = Array.from({ length: 1001 }, (_, index) => `h${index}.corp.example`);
  const rules = [rule('deny', 'h0.corp.example', 'h1.corp.example'), ALL];
  const now = grantPermissions(undefined, { name: 'p', profile: WRITE }, { rules, hardFloor: true });
  expect(narrowEgress({ ...OPEN, deny: names.slice(2) }, WRITE, now)).toEqual(NO_EGRESS);
});
