// What operators do to a running daemon: its questions and its configuration.

import { z } from 'zod';
import { ConfirmRequest } from './confirm.ts';
import { TenantName } from './names.ts';

export const ConfirmList = z.strictObject({ tenant: TenantName.optional() });
export const ConfirmListResult = z.strictObject({ confirmations: z.array(ConfirmRequest) });

/** `config`: every key with its value, what could be a secret masked. */
export const ConfigInForce = z.strictObject({
  config: z.record(z.string(), z.unknown()),
  sha256: z.string(),
  /** A change since the start can be taken back. */
  canRevert: z.boolean(),
});
export type ConfigInForce = z.infer<typeof ConfigInForce>;

export const ConfigChange = z.strictObject({
  /** Keys whose values differ now. */
  changed: z.array(z.string()),
  sha256: z.string(),
  formerSha256: z.string(),
});
export type ConfigChange = z.infer<typeof ConfigChange>;
