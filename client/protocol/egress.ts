// Egress on the wire beside the policy itself: entries with rules for requests, what learning proposes, what explaining asks.

import { z } from 'zod';
import { Name, SandboxId, Timestamp } from './names.ts';

const HostText = z.string().min(1).max(300);

export const EgressMethod = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** `host`, `*.suffix`, either with `:port`; as an object also which requests to it pass, each list being all that pass. */
export const EgressEntry = z.union([
  HostText,
  z.strictObject({
    host: HostText,
    methods: z.array(EgressMethod).min(1).max(7).optional(),
    /** Prefixes that end at a slash or at the end of the path; queries are not looked at. */
    paths: z.array(z.string().min(1).max(256)).min(1).max(64).optional(),
  }),
]);
export type EgressEntry = z.infer<typeof EgressEntry>;

export const EgressProposalRequest = z.strictObject({ sandbox: SandboxId });

/** What an allowlist that learns has denied and could have allowed. */
export const EgressProposal = z.strictObject({
  /** Ready for `egress.allow`. */
  allow: z.array(EgressEntry).max(512),
  seen: z
    .array(
      z.strictObject({
        entry: EgressEntry,
        reason: z.string(),
        count: z.int(),
        firstAt: Timestamp,
        lastAt: Timestamp,
      }),
    )
    .max(512),
  /** Denials of further hosts, which are not listed. */
  omitted: z.int(),
});
export type EgressProposal = z.infer<typeof EgressProposal>;

/** What a session would be told that asked for this; no sandbox is needed. */
export const PolicyExplain = z.strictObject({
  url: z.string().min(1).max(4096),
  profile: Name.optional(),
  allow: z.array(EgressEntry).max(1000).optional(),
  mode: z.enum(['off', 'allowlist', 'open']).optional(),
});
export type PolicyExplain = z.infer<typeof PolicyExplain>;
