// Permission rules as they travel: what a session may narrow, what is in force, and what would be said of a call.

import { z } from 'zod';
import { Command } from './exec.ts';
import { SandboxId } from './names.ts';

export const PermissionAction = z.enum(['allow', 'deny', 'ask']);
export type PermissionAction = z.infer<typeof PermissionAction>;

const Domains = z.array(z.string().regex(/^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, 'must be a lower-case host, or .suffix')).max(1000);

/** First match wins. Every pattern must match its argument; `*` stands for any text, everything else for itself. */
export const PermissionRule = z.strictObject({
  /** `files.write`, `files.*` or `*`. */
  tool: z.string().regex(/^(\*|[a-z][a-z0-9.-]{0,62}\*?)$/, 'must be a tool, prefix* or *'),
  /** Of commands `command`, `program` and `cwd`; of files `path` and `to`; of ports `port`; of secrets `name`. */
  args: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9]{0,31}$/), z.string().max(512))
    .refine((args) => Object.keys(args).length <= 16, 'at most 16 arguments')
    .optional(),
  /** Of egress: the host is one of the first and none of the second. `.x` is whatever ends in it, `x` that host alone. */
  domain: z.strictObject({ allowlist: Domains.optional(), blocklist: Domains.optional() }).optional(),
  action: PermissionAction,
  /** What whoever is refused or asked is told. */
  reason: z.string().max(300).optional(),
});
export type PermissionRule = z.infer<typeof PermissionRule>;

export const PermissionMode = z.enum(['interactive', 'batch']);
export type PermissionMode = z.infer<typeof PermissionMode>;

/** What a session asks for: only ever less than the operator's rules allow. */
export const PermissionsRequest = z.strictObject({
  /** `batch`: nobody is there to ask, so every question is a denial. */
  mode: PermissionMode.optional(),
  rules: z.array(PermissionRule).max(200).optional(),
});
export type PermissionsRequest = z.infer<typeof PermissionsRequest>;

const RuleInForce = z.strictObject({
  ...PermissionRule.shape,
  /** Where it comes from, as decisions name it: `permissions.rules[0]`, `profiles.NAME.rules[0]`, `preset:NAME[0]`, `session.rules[0]`. */
  id: z.string(),
});

export const PermissionsInForce = z.strictObject({
  mode: PermissionMode,
  hardFloor: z.boolean(),
  /** The operator's, as they stood when the session was opened. */
  rules: z.array(RuleInForce),
  /** The session's own, which only narrow. */
  sessionRules: z.array(RuleInForce),
  /** What the operator's rules are made of, in order. */
  sources: z.array(z.string()),
  /** Of these rules alone. */
  sha256: z.string(),
  /** Of the session's whole policy, as in audit records. */
  policySha256: z.string(),
  /** Of the operator's rules now in force where they differ: they hold as well. */
  narrowedBySha256: z.string().nullable(),
  profile: z.string(),
});
export type PermissionsInForce = z.infer<typeof PermissionsInForce>;

export const PermissionDecision = z.strictObject({
  verdict: PermissionAction,
  reason: z.string(),
  rule: z.string(),
  remedy: z.string().optional(),
});
export type PermissionDecision = z.infer<typeof PermissionDecision>;

export const PermissionsGet = z.strictObject({ sandbox: SandboxId });
export const PermissionsExplain = z.strictObject({
  sandbox: SandboxId,
  tool: z.string().max(64).default('exec'),
  /** Of the tools exec and shell. */
  command: Command.optional(),
  args: z.record(z.string().max(32), z.string().max(4096)).default({}),
});
/** `commands`: the simple commands that were found in the line, for people. */
export const PermissionsExplained = z.strictObject({ ...PermissionDecision.shape, commands: z.array(z.string()).max(4096) });
export type PermissionsExplained = z.infer<typeof PermissionsExplained>;
