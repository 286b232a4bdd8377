// Rules on egress narrow what a session may reach when it is opened or changed, and never widen it.

import { expect, test } from 'vitest';
import type { PermissionRule } from '../../../client/protocol/permissions.ts';
import { restrictEgress } from '../../../daemon/policy/egress-permissions.ts';
import type { GrantedEgress } from '../../../daemon/policy/egress-policy.ts';
import { grantPermissions } from '../../../daemon/policy/permission-policy.ts';
import type { RuleOrPreset } from '../../../daemon/policy/permission-presets.ts';
import { BUILT_IN_PROFILES } from '../../../daemon/policy/profiles.ts';

const profile = { name: 'workspace-write', profile: BUILT_IN_PROFILES['workspace-write']! };
const rule = (action: PermissionRule['action'], ...allowlist: string[]): PermissionRule => ({
  tool: 'egress',
  domain: { allowlist },
  action,
});
const ALL: RuleOrPreset = { preset: 'full' };
const list = (...allow: string[]): GrantedEgress => ({ mode: 'allowlist', allow, deny: [], ask: [] });
const restrict = (egress: GrantedEgress, rules: readonly RuleOrPreset[]) =>
  restrictEgress(egress, grantPermissions(undefined, profile, { rules, hardFloor: true }), 'open session s');

test.each<[string, GrantedEgress, readonly RuleOrPreset[], GrantedEgress]>([
  ['without rules on egress it stays as it is', list('pypi.org'), [{ preset: 'profile' }], list('pypi.org')],
  [
    'a host that is asked about is asked about',
    list('pypi.org', 'npmjs.org'),
    [rule('ask', 'pypi.org'), ALL],
    { ...list('pypi.org', 'npmjs.org'), ask: ['pypi.org'] },
  ],
  [
    'below a wildcard what is denied stays denied',
    list('*.github.com'),
    [rule('deny', 'gist.github.com'), ALL],
    { ...list('*.github.com'), deny: ['gist.github.com'] },
  ],
  [
    'so it does where all is open',
    { ...list(), mode: 'open' },
    [rule('deny', '.corp.example'), ALL],
    { ...list(), mode: 'open', deny: ['*.corp.example'] },
  ],
  [
    'a host that an earlier rule allows is not denied by a later one',
    list('*.github.com'),
    [rule('allow', '.github.com'), rule('deny', 'gist.github.com'), ALL],
    list('*.github.com'),
  ],
])('%s', (_claim, egress, rules, expected) => {
  expect(restrict(egress, rules)).toEqual(expected);
});

test.each<[string, GrantedEgress, readonly RuleOrPreset[], RegExp]>([
  [
    'a host that is denied',
    list('evil.example'),
    [rule('deny', 'evil.example'), ALL],
    /deny evil\.example: .*\(rule permissions\.rules\[0\]\)/,
  ],
  ['a wildcard that is denied', list('*.evil.example'), [rule('deny', '.evil.example'), ALL], /deny \*\.evil\.example/],
  ['a host that no rule allows', list('other.example'), [rule('allow', '.github.com'), { preset: 'batch' }], /deny other\.example/],
  [
    'every host where only some are allowed',
    { ...list(), mode: 'open' },
    [rule('allow', '.github.com')],
    /want a confirmation for egress to every host/,
  ],
])('%s is refused with its rule', (_claim, egress, rules, message) => {
  expect(() => restrict(egress, rules)).toThrow(message);
});
