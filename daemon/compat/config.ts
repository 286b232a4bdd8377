// The section `compat.e2b` of the configuration.

import { z } from 'zod';
import { Name, TenantName } from '../../client/protocol/names.ts';

const HOUR_MS = 3_600_000;

const Key = z.strictObject({
  name: Name,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the key, 64 digits in lower case'),
  tenant: TenantName,
});

export const E2bConfig = z.strictObject({
  /** Where clients of E2B's packages are served; without it they are not. */
  listen: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):\d{1,5}$/i, 'must be HOST:PORT')
    .optional(),
  /** API keys, each with the SHA-256 (hex) of its text and the tenant it speaks for. */
  keys: z
    .array(Key)
    .max(1000)
    .refine((keys) => new Set(keys.map(({ name }) => name)).size === keys.length, 'has a name twice')
    .default([]),
  /** Name of a template -> the image and the profile it stands for; `base` is the default of both. */
  templates: z.record(Name, z.strictObject({ image: Name.optional(), profile: Name.optional() })).default({}),
  /** What a client gets that names no hosts, under a profile with network: no host, or every public one. */
  egress: z.enum(['allowlist', 'open']).default('allowlist'),
  /** The longest timeout of a sandbox; a longer one counts as this. */
  maxTimeoutMs: z
    .int()
    .min(1000)
    .max(30 * 24 * HOUR_MS)
    .default(24 * HOUR_MS),
  /** How long a paused sandbox waits to be resumed; then it is ended. */
  keepPausedMs: z
    .int()
    .min(1000)
    .max(30 * 24 * HOUR_MS)
    .default(24 * HOUR_MS),
});
export type E2bConfig = z.infer<typeof E2bConfig>;
