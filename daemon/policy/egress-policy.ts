// What a session may reach: the pure decision between its request and its profile. The judge applies what is granted here.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { EgressEntry } from '../../client/protocol/egress.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { EgressPolicy } from '../../client/protocol/session.ts';
import { parseHostPattern } from './host-pattern.ts';
import { hasRequestRules, normalEntry, parseHostRule } from './host-rule.ts';
import type { Profile } from './profiles.ts';

const Patterns = z.array(z.string().max(300)).max(1000);

export const GrantedEgress = z.strictObject({
  mode: z.enum(['off', 'allowlist', 'open']),
  /** Normalised entries; in mode `open` they only add ports. */
  allow: z.array(EgressEntry).max(1000),
  /** Asked before everything a session allows. */
  deny: Patterns,
  ask: Patterns,
  /** What is denied and could be allowed is kept as a proposal. */
  learn: z.literal(true).optional(),
});
export type GrantedEgress = z.infer<typeof GrantedEgress>;

export const NO_EGRESS: GrantedEgress = { mode: 'off', allow: [], deny: [], ask: [] };

/** Throws POLICY_INVALID; `verb` and `what` begin its message: "Cannot open session x". */
export function grantEgress(
  asked: EgressPolicy | undefined,
  profile: { readonly name: string; readonly profile: Profile },
  doing: string,
): GrantedEgress {
  const invalid = (cause: string, hint: string) => new SandboxError('POLICY_INVALID', `Cannot ${doing}: ${cause}`, { hint });
  const namesHosts = (asked?.allow?.length ?? 0) > 0 || (asked?.ask?.length ?? 0) > 0;
  const wantsOut = namesHosts || asked?.learn === true || (asked?.mode !== undefined && asked.mode !== 'off');
  if (profile.profile.network === 'none') {
    if (wantsOut)
      throw invalid(`profile ${profile.name} forbids network, but egress asks for it`, 'Drop egress, or use the profile workspace-write.');
    return NO_EGRESS;
  }
  if (asked?.learn === true && (asked.mode ?? 'allowlist') !== 'allowlist')
    throw invalid(`egress.learn needs mode allowlist and not ${asked.mode}`, 'Leave out mode; what the list denies is then proposed.');
  if (asked?.mode === 'off' && namesHosts) throw invalid('egress.mode is off, but hosts are allowed', 'Leave out mode, or the hosts.');
  const normalised = (list: 'deny' | 'ask'): string[] => {
    const texts = (asked?.[list] ?? []).map((text) => {
      const pattern = parseHostPattern(text);
      if (pattern === null)
        throw invalid(
          `egress.${list} has ${JSON.stringify(text)}, which is neither host, *.suffix nor either with :port`,
          'Write names in ASCII, without scheme and path; for every public host use mode open.',
        );
      return pattern.text;
    });
    return [...new Set(texts)];
  };
  const allow = (asked?.allow ?? []).map((entry) => {
    const rule = parseHostRule(entry);
    if (rule === null)
      throw invalid(
        `egress.allow has ${JSON.stringify(entry)}, which is neither host, *.suffix nor either with :port, or has a path that is no plain prefix`,
        'Write names in ASCII, without scheme; paths like /v1/ go into paths of an object with host; for every public host use mode open.',
      );
    return normalEntry(rule);
  });
  return {
    mode: asked?.mode ?? 'allowlist',
    allow: withoutRepeats(allow),
    deny: normalised('deny'),
    ask: normalised('ask'),
    ...(asked?.learn === true ? { learn: true } : {}),
  };
}

const withoutRepeats = (entries: readonly EgressEntry[]): EgressEntry[] => [
  ...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values(),
];

/** Some of its hosts are reached request by request: their TLS is opened. */
export const hasRuledHosts = ({ allow }: Pick<GrantedEgress, 'allow'>): boolean =>
  allow.some((entry) => {
    const rule = parseHostRule(entry);
    return rule !== null && hasRequestRules(rule);
  });

export const isSameEgress = (a: GrantedEgress, b: GrantedEgress): boolean => egressSha256(a) === egressSha256(b);

export function egressSha256({ mode, allow, deny, ask, learn }: GrantedEgress): string {
  const entries = allow.map((entry) => JSON.stringify(entry)).sort();
  return createHash('sha256')
    .update(JSON.stringify([mode, entries, [...deny].sort(), [...ask].sort(), ...(learn === true ? ['learn'] : [])]))
    .digest('hex');
}
