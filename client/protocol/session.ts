// Sessions: opening, listing, extending and closing a sandbox.

import { z } from 'zod';
import { EgressEntry } from './egress.ts';
import { Env } from './exec.ts';
import { Limits, LimitsRequest } from './limits.ts';
import { Labels, Name, SandboxId, SessionName, TenantName, Timestamp, TraceParent } from './names.ts';
import { PermissionsRequest } from './permissions.ts';
import { Receipt } from './receipt.ts';
import { Secrets } from './secrets.ts';

export const SessionRole = z.enum(['controller', 'participant', 'observer']);
export type SessionRole = z.infer<typeof SessionRole>;

export const EgressPolicy = z.strictObject({
  /** As an object an entry also says which requests pass; over https that means that the host's TLS is opened. */
  allow: z.array(EgressEntry).max(1000).optional(),
  deny: z.array(z.string().min(1).max(300)).max(1000).optional(),
  ask: z.array(z.string().min(1).max(300)).max(1000).optional(),
  mode: z.enum(['off', 'allowlist', 'open']).optional(),
  /** What an allowlist denies is kept as a proposal; it is denied all the same. */
  learn: z.boolean().optional(),
});
export type EgressPolicy = z.infer<typeof EgressPolicy>;

/** The policy in force, entries normalised. */
export const EgressInForce = z.strictObject({
  mode: z.enum(['off', 'allowlist', 'open']),
  allow: z.array(EgressEntry),
  deny: z.array(z.string()),
  ask: z.array(z.string()),
  learn: z.boolean().optional(),
  /** Of the session's whole policy, as in audit records. */
  policySha256: z.string(),
});
export type EgressInForce = z.infer<typeof EgressInForce>;

/** A new policy for a session, in place of the one it has. */
export const EgressSet = z.strictObject({ sandbox: SandboxId, policy: EgressPolicy });
/** A URL or HOST:PORT. */
export const EgressExplain = z.strictObject({ sandbox: SandboxId, url: z.string().min(1).max(4096) });

export const WorkspaceRetention = z.enum(['keep', 'delete']);
export type WorkspaceRetention = z.infer<typeof WorkspaceRetention>;

const Duration = z
  .int()
  .min(1000)
  .max(366 * 24 * 3_600_000);

export const OpenRequest = z.strictObject({
  session: SessionName,
  /** Joins this sandbox of the session; SESSION_EXPIRED or SANDBOX_FAILED, and none is made, once it has ended. */
  sandbox: SandboxId.optional(),
  /** Operators only; otherwise the token's. */
  tenant: TenantName.optional(),
  profile: Name.optional(),
  image: Name.optional(),
  runtime: Name.optional(),
  workspace: z
    .strictObject({
      name: Name.optional(),
      hostPath: z.string().max(4096).optional(),
      retain: WorkspaceRetention.optional(),
      maxBytes: z
        .int()
        .min(1024 * 1024)
        .optional(),
    })
    .optional(),
  limits: LimitsRequest.optional(),
  egress: EgressPolicy.optional(),
  env: Env.optional(),
  /** Never in a record or an answer. */
  secrets: Secrets.optional(),
  /** Narrows what the operator's rules allow. */
  permissions: PermissionsRequest.optional(),
  /** Milliseconds without a command, file call or connection after which the sandbox is closed. */
  idleMs: Duration.optional(),
  /** Milliseconds after which the sandbox is closed whatever it does. */
  ttlMs: Duration.optional(),
  labels: Labels.optional(),
  role: SessionRole.default('controller'),
  takeover: z.boolean().default(false),
  /** In a fleet, when the member that has the workspace is lost: `wait` for it, or begin with a `fresh` one elsewhere. */
  onOwnerLoss: z.enum(['wait', 'fresh']).default('wait'),
  traceparent: TraceParent.optional(),
});
export type OpenRequest = z.infer<typeof OpenRequest>;

export const StartKind = z.enum(['warm', 'cold', 'attached']);

export const OpenResult = z.strictObject({
  id: SandboxId,
  session: SessionName,
  tenant: TenantName,
  /** True: this call made the sandbox. */
  created: z.boolean(),
  startKind: StartKind,
  role: SessionRole,
  limits: Limits,
  expiresAt: Timestamp.nullable(),
  receipt: Receipt,
  /** In a fleet, the member that has it: who can reach that connects there directly. */
  owner: z.strictObject({ url: z.url() }).optional(),
});
export type OpenResult = z.infer<typeof OpenResult>;

export const SandboxState = z.enum(['starting', 'running', 'paused', 'closing', 'failed']);

export const SandboxInfo = z.strictObject({
  id: SandboxId,
  tenant: TenantName,
  session: SessionName,
  state: SandboxState,
  profile: z.string(),
  image: z.string(),
  runtime: z.string(),
  labels: Labels,
  limits: Limits,
  createdAt: Timestamp,
  lastUsedAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  /** Commands that run now. */
  execs: z.int(),
  isControlled: z.boolean(),
});
export type SandboxInfo = z.infer<typeof SandboxInfo>;

export const ListRequest = z.strictObject({
  tenant: TenantName.optional(),
  labels: Labels.optional(),
  state: SandboxState.optional(),
});
export type ListRequest = z.infer<typeof ListRequest>;

/** `force`: commands that run stand still, too. */
export const PauseRequest = z.strictObject({ sandbox: SandboxId, force: z.boolean().default(false) });
export const CloseRequest = z.strictObject({ sandbox: SandboxId, workspace: WorkspaceRetention.optional() });
export const ExtendRequest = z.strictObject({ sandbox: SandboxId, ttlMs: Duration.optional(), idleMs: Duration.optional() });
