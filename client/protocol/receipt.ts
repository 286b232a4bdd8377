// The enforcement receipt: what the kernel was seen to enforce before any tenant code ran.

import { z } from 'zod';
import { Timestamp } from './names.ts';

const Capabilities = z.array(z.string().max(64)).max(64);

export const Receipt = z.strictObject({
  sandboxId: z.string(),
  at: Timestamp,
  runtime: z.string(),
  image: z.strictObject({ name: z.string(), id: z.string() }),
  uid: z.int(),
  gid: z.int(),
  capabilities: z.strictObject({
    inheritable: Capabilities,
    permitted: Capabilities,
    effective: Capabilities,
    bounding: Capabilities,
    ambient: Capabilities,
  }),
  noNewPrivs: z.boolean(),
  /** `mode` 2 is a filter; `sha256` is of the profile text that was sent to the engine. */
  seccomp: z.strictObject({ mode: z.int(), profile: z.string(), sha256: z.string() }),
  mounts: z.array(z.strictObject({ target: z.string(), flags: z.array(z.string()) })),
  network: z.strictObject({ interfaces: z.array(z.string()), routes: z.array(z.string()) }),
  limits: z.strictObject({
    memoryBytes: z.int(),
    cpus: z.number(),
    pids: z.int(),
    /** null: the store has no quota and the operator accepted that. */
    diskBytes: z.int().nullable(),
    tmpBytes: z.int(),
  }),
  workspace: z.strictObject({ name: z.string(), store: z.string(), quota: z.string() }),
  profile: z.string(),
  policySha256: z.string(),
  daemonVersion: z.string(),
  /** Ed25519 over the canonical JSON (sorted keys) of all other fields, base64url. */
  signature: z.string(),
});
export type Receipt = z.infer<typeof Receipt>;
