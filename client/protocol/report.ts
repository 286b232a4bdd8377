// What a host has spent on its model while it worked in a session: recorded and summed, never checked.

import { z } from 'zod';
import { Labels, SandboxId } from './names.ts';

const Tokens = z.int().min(0).max(1e12);

export const Usage = z.strictObject({
  inputTokens: Tokens.default(0),
  outputTokens: Tokens.default(0),
  costUsd: z.number().min(0).max(1e9).default(0),
  model: z.string().min(1).max(128).optional(),
  labels: Labels.optional(),
});

export const ReportRequest = Usage.extend({ sandbox: SandboxId });

/** Sums over the session so far, this report included. */
export const ReportResult = z.strictObject({ reports: z.int(), inputTokens: z.int(), outputTokens: z.int(), costUsd: z.number() });
export type ReportResult = z.infer<typeof ReportResult>;
