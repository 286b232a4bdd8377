// Names and ids as they travel: one schema each, bounds stated, branded so that they can't be mixed up.

import { z } from 'zod';

/** What tenants, sessions, workspaces, profiles and images are called. */
export const Name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match ^[a-z0-9][a-z0-9._-]{0,62}$');
export type Name = z.infer<typeof Name>;

export const TenantName = Name.brand<'TenantName'>();
export type TenantName = z.infer<typeof TenantName>;

export const SessionName = Name.brand<'SessionName'>();
export type SessionName = z.infer<typeof SessionName>;

/** Chosen by the daemon: `sb_` and 20 characters of base 32. */
export const SandboxId = z
  .string()
  .regex(/^sb_[a-z2-7]{20}$/, 'is not a sandbox id')
  .brand<'SandboxId'>();
export type SandboxId = z.infer<typeof SandboxId>;

/** Chosen by the client; the same id with the same request attaches instead of starting again. */
export const ExecId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must match ^[A-Za-z0-9_-]{1,64}$')
  .brand<'ExecId'>();
export type ExecId = z.infer<typeof ExecId>;

/** Chosen by the client, unique among its open streams on one connection. */
export const StreamId = z.int().min(1).max(0xffff_ffff);
export type StreamId = z.infer<typeof StreamId>;

/** RFC 3339, UTC. */
export const Timestamp = z.iso.datetime();

export const Labels = z
  .record(z.string().regex(/^[a-z][a-zA-Z0-9_.-]{0,62}$/), z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels');
export type Labels = z.infer<typeof Labels>;

/** W3C trace context of whoever calls: version, trace, span, flags. */
export const TraceParent = z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'must be a W3C traceparent of version 00');
