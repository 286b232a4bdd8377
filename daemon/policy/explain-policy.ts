// What a session would be granted of the network that asked for this and nothing else. Pure.

import type { PolicyExplain } from '../../client/protocol/egress.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { type GrantedEgress, grantEgress } from './egress-policy.ts';
import { BUILT_IN_PROFILES, type Profile } from './profiles.ts';

export interface ProfileSource {
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly defaults: { readonly profile: string };
}

/** Throws PROFILE_UNKNOWN or POLICY_INVALID, as opening would. */
export function explainedEgress(asked: PolicyExplain, source: ProfileSource): GrantedEgress {
  const name = asked.profile ?? source.defaults.profile;
  const table = [BUILT_IN_PROFILES, source.profiles].find((profiles) => Object.hasOwn(profiles, name));
  const profile = table?.[name];
  if (profile === undefined) throw new SandboxError('PROFILE_UNKNOWN', `Cannot explain ${asked.url}: profile ${name} is unknown`);
  const { allow, mode } = asked;
  return grantEgress(
    { ...(allow === undefined ? {} : { allow }), ...(mode === undefined ? {} : { mode }) },
    { name, profile },
    `explain ${asked.url}`,
  );
}
