// Permission rules on the tool `egress`, applied to what a session may reach: an entry that they deny is refused, one that they
// ask about is asked about, and below a wildcard what they name stays denied. Only ever narrows. Pure.

import { SandboxError } from '../../client/protocol/errors.ts';
import { compilePermissions, type CompiledPermissions, type Decision, decide } from './decide.ts';
import type { GrantedEgress } from './egress-policy.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { GrantedPermissions } from './permission-policy.ts';
import { matchesTool } from './rule-match.ts';

export const MAX_ENTRIES = 1000;

/** Throws POLICY_INVALID with the rule; `doing` follows "Cannot". */
export function restrictEgress(egress: GrantedEgress, permissions: GrantedPermissions, doing: string): GrantedEgress {
  if (egress.mode === 'off') return egress;
  const compiled = compilePermissions(permissions);
  const refuse = (what: string, { reason, rule, verdict }: Decision): never => {
    throw new SandboxError(
      'POLICY_INVALID',
      `Cannot ${doing}: the rules ${verdict === 'ask' ? 'want a confirmation for' : 'deny'} ${what}: ${reason} (rule ${rule})`,
      {
        hint:
          verdict === 'ask'
            ? 'Name the hosts in egress.ask; whoever controls the session is asked then.'
            : 'Leave it out, or ask the operator to change the rule.',
      },
    );
  };
  if (egress.mode === 'open') {
    const decision = decide({ tool: 'egress', args: {} }, compiled);
    if (decision.verdict !== 'allow') refuse('egress to every host', decision);
  }
  const ask = new Set(egress.ask);
  for (const text of [...egress.allow.map((entry) => (typeof entry === 'string' ? entry : entry.host)), ...egress.ask]) {
    const decision = decideHost(text, compiled);
    if (decision.verdict === 'deny') refuse(text, decision);
    if (decision.verdict === 'ask') ask.add(text);
  }
  const isWide =
    egress.mode === 'open' ||
    [...egress.allow, ...egress.ask].some((entry) => (typeof entry === 'string' ? entry : entry.host).startsWith('*.'));
  const named = isWide ? namedHosts(permissions) : [];
  const deny = new Set([...egress.deny, ...named.filter((text) => decideHost(text, compiled).verdict === 'deny')]);
  for (const text of named) if (decideHost(text, compiled).verdict === 'ask') ask.add(text);
  if (deny.size > MAX_ENTRIES || ask.size > MAX_ENTRIES)
    throw new SandboxError('POLICY_INVALID', `Cannot ${doing}: the rules and egress have more than ${MAX_ENTRIES} entries together`);
  return { ...egress, deny: [...deny], ask: [...ask] };
}

export function decideHost(text: string, compiled: CompiledPermissions): Decision {
  const pattern = parseHostPattern(text);
  // `*.x` is compared as what ends in `.x`.
  const host = pattern === null ? '' : `${pattern.isSuffix ? '.' : ''}${pattern.host.text}`;
  return decide({ tool: 'egress', args: {}, host, isReadable: pattern !== null }, compiled);
}

/** Hosts that rules on egress speak of by name, as entries of egress lists. */
export function namedHosts({ rules, sessionRules }: GrantedPermissions): string[] {
  return [...rules, ...sessionRules]
    .filter(({ tool, action }) => action !== 'allow' && matchesTool(tool, 'egress'))
    .flatMap(({ domain }) => domain?.allowlist ?? [])
    .map((entry) => (entry.startsWith('.') ? `*${entry}` : entry))
    .filter((text) => parseHostPattern(text) !== null);
}
