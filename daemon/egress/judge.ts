// The judge: may this target be reached, and may these addresses be dialled for it? Pure and total; the order of the
// rules is the order of this file. Resolving, dialling and asking are others' business.

import type { GrantedEgress } from '../policy/egress-policy.ts';
import { HostIndex, indexPatterns } from '../policy/host-index.ts';
import { type HostPattern, matchesHost, parseHostPattern } from '../policy/host-pattern.ts';
import { hasRequestRules, type HostRule, parseHostRule, permits } from '../policy/host-rule.ts';
import { type AddressRules, judgeAddress } from './address-judge.ts';
import type { Target } from './authority.ts';
import { blockedDomain } from './name-rules.ts';
import { allow, deny, type Verdict } from './verdict.ts';

export interface CompiledPolicy {
  readonly mode: GrantedEgress['mode'];
  readonly allow: HostIndex<HostRule>;
  readonly deny: HostIndex<HostPattern>;
  readonly ask: HostIndex<HostPattern>;
}

export interface OperatorRules extends AddressRules {
  /** Names and addresses that operators closed. */
  readonly blockedHosts: HostIndex<HostPattern>;
}

export const MAX_ADDRESSES = 16;
/** Ports that need no naming. Plain HTTP on 443 is a request like any other; a tunnel to 443 must carry TLS. */
const USUAL_PORTS = { http: new Set([80, 443]), tunnel: new Set([443]) } as const;

/** Entries that do not parse are none: grantEgress has refused them before. */
export function compilePolicy(granted: GrantedEgress): CompiledPolicy {
  const compile = (texts: readonly string[]): HostIndex<HostPattern> =>
    indexPatterns(texts.map(parseHostPattern).filter((pattern) => pattern !== null));
  const rules = granted.allow.map(parseHostRule).filter((rule) => rule !== null);
  return {
    mode: granted.mode,
    allow: new HostIndex(rules, ({ pattern }) => pattern),
    deny: compile(granted.deny),
    ask: compile(granted.ask),
  };
}

/** By name and port; null stands for what the grammar did not read. */
export function judgeTarget(target: Target | null, policy: CompiledPolicy, operator: Pick<OperatorRules, 'blockedHosts'>): Verdict {
  if (target === null) return deny('unparseable', 'builtin:grammar');
  const { host, port, via } = target;
  if (policy.mode === 'off') return deny('egressOff', 'mode:off');
  const domain = host.kind === 'name' ? blockedDomain(host.text) : null;
  if (domain !== null) return deny('nameBlocked', `builtin:${domain}`);
  const blocked = operator.blockedHosts.of(host).find((pattern) => applies(pattern, target));
  if (blocked !== undefined) return deny('operatorBlocked', `operator:${blocked.text}`);
  const denied = policy.deny.of(host).find((pattern) => applies(pattern, target));
  if (denied !== undefined) return deny('policyDenied', `policy.deny:${denied.text}`);

  const named = policy.allow.of(host);
  const granting = named.filter(({ pattern }) => grants(pattern, target));
  const byRule = granting.length === 0 ? null : judgeRequest(granting, target);
  const askable = policy.ask.of(host);
  const asked = askable.find((pattern) => grants(pattern, target));
  // The narrower entry speaks; of two alike the one that asks.
  const isAllowed = byRule?.verdict === 'allow';
  if (isAllowed && (asked === undefined || granting.some(({ pattern }) => isNarrower(pattern, asked)))) return byRule;
  if (asked !== undefined) return { ...deny('confirmationMissing', `policy.ask:${asked.text}`), verdict: 'ask' };
  // A host with rules is held to them in every mode.
  if (byRule !== null) return byRule;
  const isKnown = named.length > 0 || askable.length > 0;
  if (policy.mode === 'allowlist' && !isKnown) return deny('notAllowed', 'mode:allowlist');
  if (policy.mode === 'allowlist' || !USUAL_PORTS[via].has(port)) return deny('portNotAllowed', `builtin:port:${port}`);
  return allow('mode:open');
}

/** Only a request that is seen can be judged by rules: a tunnel to a host that has nothing else must be opened. */
export function mustOpen(target: Target, policy: CompiledPolicy): boolean {
  const granting = policy.allow.of(target.host).filter(({ pattern }) => grants(pattern, target));
  return target.via === 'tunnel' && granting.length > 0 && granting.every(hasRequestRules);
}

/** An entry without rules speaks for every request; of the others one must permit this one. */
function judgeRequest(granting: readonly HostRule[], { request, via }: Target): Verdict {
  const plain = granting.find((rule) => !hasRequestRules(rule));
  const [first] = granting;
  const chosen = plain ?? (request === undefined && via === 'tunnel' ? first : undefined);
  if (chosen !== undefined) return allow(`policy.allow:${chosen.text}`);
  const answers = granting.map((rule) => (request === undefined ? 'no' : permits(rule, request)));
  const permitting = granting[answers.indexOf('yes')];
  if (permitting !== undefined) return allow(`policy.allow:${permitting.text}`);
  if (answers.includes('ambiguous')) return deny('requestAmbiguous', 'builtin:request');
  return deny('requestNotAllowed', `policy.allow:${first?.text ?? ''}`);
}

/** All or nothing: one address that may not be dialled denies them all. */
export function judgeAddresses(addresses: readonly string[], rules: AddressRules): Verdict {
  if (addresses.length === 0) return deny('notResolved', 'builtin:noAddress');
  if (addresses.length > MAX_ADDRESSES) return deny('tooManyAnswers', `builtin:answers:${MAX_ADDRESSES}`);
  const verdicts = addresses.map((address) => judgeAddress(address, rules));
  return verdicts.find(({ verdict }) => verdict !== 'allow') ?? verdicts[0] ?? deny('notResolved', 'builtin:noAddress');
}

const isNarrower = (one: HostPattern, other: HostPattern): boolean =>
  other.isSuffix && (!one.isSuffix || one.host.text.length > other.host.text.length);

/** An entry that closes says nothing of ports, or one. */
const applies = (pattern: HostPattern, { host, port }: Target): boolean =>
  (pattern.port === null || pattern.port === port) && matchesHost(pattern, host);

/** An entry that opens says a port, or means the usual ones. */
export const grants = (pattern: HostPattern, { host, port, via }: Target): boolean =>
  (pattern.port === null ? USUAL_PORTS[via].has(port) : pattern.port === port) && matchesHost(pattern, host);
