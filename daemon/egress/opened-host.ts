// Is a host one whose TLS may be opened for a sandbox, on some port? What the daemon asks before it vouches for a host. Pure.

import type { Host } from '../policy/host-name.ts';
import { matchesHost } from '../policy/host-pattern.ts';
import { hasRequestRules } from '../policy/host-rule.ts';
import type { CompiledSecret } from './header-secrets.ts';
import type { CompiledPolicy } from './judge.ts';

export function isOpenedHost(host: Host, policy: CompiledPolicy, secrets: readonly CompiledSecret[]): boolean {
  return policy.allow.of(host).some(hasRequestRules) || secrets.some(({ hosts }) => hosts.some((pattern) => matchesHost(pattern, host)));
}
