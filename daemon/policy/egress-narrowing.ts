// What is left of a granted way out under the operator's rules of now: a reload narrows sessions that run and never widens them.
// Entries that would be refused today are closed instead. Pure.

import { compilePermissions, decide } from './decide.ts';
import { decideHost, MAX_ENTRIES, namedHosts } from './egress-permissions.ts';
import { type GrantedEgress, NO_EGRESS } from './egress-policy.ts';
import type { GrantedPermissions } from './permission-policy.ts';
import type { Profile } from './profiles.ts';

/** null: the operator has nothing of this name any more, and what was granted holds. */
export function narrowEgress(egress: GrantedEgress, profile: Profile | null, permissions: GrantedPermissions | null): GrantedEgress {
  if (profile?.network === 'none') return NO_EGRESS;
  if (egress.mode === 'off' || permissions === null) return egress;
  const compiled = compilePermissions(permissions);
  const verdictOf = (text: string): string => decideHost(text, compiled).verdict;
  const isOpen = egress.mode === 'open' && decide({ tool: 'egress', args: {} }, compiled).verdict === 'allow';
  const hosts = egress.allow.map(hostOf);
  // A wildcard that passes may still have names below it that do not.
  const named = isOpen || [...hosts, ...egress.ask].some((text) => text.startsWith('*.')) ? namedHosts(permissions) : [];
  const known = [...new Set([...hosts, ...egress.ask, ...named])];
  const denied = known.filter((text) => verdictOf(text) === 'deny');
  const asked = known.filter((text) => verdictOf(text) === 'ask');
  const deny = [...new Set([...egress.deny, ...denied])];
  const ask = [...new Set([...egress.ask, ...asked])].filter((text) => !denied.includes(text));
  // More than the judge is told of: nothing is safer than a part.
  if (deny.length > MAX_ENTRIES || ask.length > MAX_ENTRIES) return NO_EGRESS;
  const allow = egress.allow.filter((entry) => !denied.includes(hostOf(entry)));
  return { ...egress, mode: isOpen ? 'open' : 'allowlist', allow, deny, ask };
}

const hostOf = (entry: GrantedEgress['allow'][number]): string => (typeof entry === 'string' ? entry : entry.host);
