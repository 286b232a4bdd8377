// Secrets on the wire: what a session is given and what a command may use. Values travel to the daemon and never back.

import { z } from 'zod';
import { EnvName } from './exec.ts';
import { SandboxId } from './names.ts';

/** Bytes of a value; shorter ones could not be kept out of output without making it unreadable. */
const MIN_VALUE_BYTES = 4;
const MAX_VALUE_BYTES = 8 * 1024;
/** Of one session. */
export const MAX_SECRETS = 32;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

export const SecretName = EnvName.max(64);

export const Secret = z
  .strictObject({
    value: z
      .string()
      .refine((value) => !value.includes('\0'), 'contains a NUL byte')
      .refine((value) => bytesOf(value) >= MIN_VALUE_BYTES, `must have at least ${MIN_VALUE_BYTES} bytes`)
      .refine((value) => bytesOf(value) <= MAX_VALUE_BYTES, `must have at most ${MAX_VALUE_BYTES} bytes`),
    /** Where a `header` secret may be put in: host names and `*.suffixes`. */
    hosts: z.array(z.string().min(1).max(300)).min(1).max(64).optional(),
    /** `env` (default): the value, in the environment of commands that name it. `header`: a placeholder, replaced on the way out. */
    as: z.enum(['env', 'header']).optional(),
  })
  .refine((secret) => secret.as !== 'header' || secret.hosts !== undefined, {
    path: ['hosts'],
    message: 'a header secret needs the hosts it is for',
  });
export type Secret = z.infer<typeof Secret>;

export const Secrets = z
  .record(SecretName, Secret)
  .refine((secrets) => Object.keys(secrets).length <= MAX_SECRETS, `at most ${MAX_SECRETS} secrets`);
export type Secrets = z.infer<typeof Secrets>;

export const SecretsSet = z.strictObject({ sandbox: SandboxId, name: SecretName, secret: Secret });
