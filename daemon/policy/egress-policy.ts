// What a session may reach: the pure decision between its request and its profile. The judge applies what is granted here.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { EgressPolicy } from '../../client/protocol/session.ts';
import { parseHostPattern } from './host-pattern.ts';
import type { Profile } from './profiles.ts';

const Patterns = z.array(z.string().max(300)).max(1000);

export const GrantedEgress = z.strictObject({
  mode: z.enum(['off', 'allowlist', 'open']),
  /** Normalised entries; in mode `open` they only add ports. */
  allow: Patterns,
  /** Asked before everything a session allows. */
  deny: Patterns,
  ask: Patterns,
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
  if (asked?.learn === true)
    throw invalid('egress.learn is not offered', 'Leave it out; every denial is in the audit log and in the result of its command.');
  if (asked?.mode === 'off' && namesHosts) throw invalid('egress.mode is off, but hosts are allowed', 'Leave out mode, or the hosts.');
  const normalised = (list: 'allow' | 'deny' | 'ask'): string[] => {
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
  return { mode: asked?.mode ?? 'allowlist', allow: normalised('allow'), deny: normalised('deny'), ask: normalised('ask') };
}

export const isSameEgress = (a: GrantedEgress, b: GrantedEgress): boolean => egressSha256(a) === egressSha256(b);

export function egressSha256({ mode, allow, deny, ask }: GrantedEgress): string {
  return createHash('sha256')
    .update(JSON.stringify([mode, [...allow].sort(), [...deny].sort(), [...ask].sort()]))
    .digest('hex');
}
