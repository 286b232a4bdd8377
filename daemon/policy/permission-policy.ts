// What a session's calls are judged by: the pure decision between its request, its profile and the operator's rules.
// Plain data, so that it is hashed, recorded and kept like the rest of a policy.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PermissionMode, PermissionRule, type PermissionsRequest } from '../../client/protocol/permissions.ts';
import { expandRules, type RuleOrPreset } from './permission-presets.ts';
import type { Profile } from './profiles.ts';

const Identified = z.array(z.strictObject({ ...PermissionRule.shape, id: z.string() }));

export const GrantedPermissions = z.strictObject({
  mode: PermissionMode,
  hardFloor: z.boolean(),
  /** The operator's: what none of them matches needs a confirmation. */
  rules: Identified,
  /** The session's own: they narrow, so what none of them matches is left to the operator's. */
  sessionRules: Identified,
});
export type GrantedPermissions = z.infer<typeof GrantedPermissions>;

/** Of sandboxes that were opened before there were rules: their profile decides. */
export const NO_PERMISSIONS: GrantedPermissions = {
  mode: 'interactive',
  hardFloor: true,
  rules: [{ tool: '*', action: 'allow', id: 'preset:full[0]' }],
  sessionRules: [],
};

/** The operator's part. */
export interface PermissionSource {
  readonly rules: readonly RuleOrPreset[];
  readonly hardFloor: boolean;
}

export function grantPermissions(
  asked: PermissionsRequest | undefined,
  profile: { readonly name: string; readonly profile: Profile },
  source: PermissionSource,
): GrantedPermissions {
  const own = expandRules(profile.profile.rules ?? [], `profiles.${profile.name}.rules`, profile.profile);
  return {
    mode: asked?.mode ?? 'interactive',
    hardFloor: source.hardFloor,
    rules: [...own, ...expandRules(source.rules, 'permissions.rules', profile.profile)],
    sessionRules: (asked?.rules ?? []).map((rule, at) => ({ ...rule, id: `session.rules[${at}]` })),
  };
}

export const permissionsSha256 = (permissions: GrantedPermissions): string =>
  createHash('sha256').update(JSON.stringify(permissions)).digest('hex');

/** The operator's part of a granted policy under the rules of now. */
export const operatorSha256 = ({ hardFloor, rules }: GrantedPermissions): string =>
  createHash('sha256')
    .update(JSON.stringify([hardFloor, rules]))
    .digest('hex');

/** Where the rules come from, each source once, in order. */
export const sourcesOf = ({ rules, sessionRules, hardFloor }: GrantedPermissions): string[] => [
  ...new Set([...(hardFloor ? ['floor'] : []), ...[...rules, ...sessionRules].map(({ id }) => id.replace(/\[\d+\]$/, ''))]),
];

/** Does a request that joins a session state what it was opened with? What it leaves out may be anything. */
export function isSameRequest({ mode, rules }: PermissionsRequest, granted: GrantedPermissions): boolean {
  const own = granted.sessionRules.map(({ id: _id, ...rule }) => rule);
  const stated = rules?.map((rule) => PermissionRule.parse(rule));
  return (mode === undefined || mode === granted.mode) && (stated === undefined || canonical(stated) === canonical(own));
}

/** Whatever order the keys were written in. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
