// Confirmations: what the daemon asks of a session's controller, and the answer.

import { z } from 'zod';
import { ExecId, SandboxId, SessionName, Timestamp } from './names.ts';

export const ConfirmRequest = z.strictObject({
  id: z.string().max(64),
  kind: z.enum(['tool', 'egress']),
  sandboxId: SandboxId,
  session: SessionName,
  execId: ExecId.optional(),
  /** What is to be used: of egress `egress`. */
  tool: z.string(),
  /** One line for a person. */
  summary: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  /** The rule that asks. */
  rule: z.string(),
  reason: z.string(),
  /** No answer by then is a denial. */
  expiresAt: Timestamp,
});
export type ConfirmRequest = z.infer<typeof ConfirmRequest>;

/** `nobody`: this client has no one to ask, which denies at once. */
export const ConfirmAnswer = z.enum(['allow-once', 'allow-session', 'deny', 'nobody']);
export type ConfirmAnswer = z.infer<typeof ConfirmAnswer>;

export const ConfirmReply = z.strictObject({ sandbox: SandboxId, id: z.string().max(64), answer: ConfirmAnswer });
