// Ports of a sandbox as they travel: asking for the address of a preview.

import { z } from 'zod';
import { SandboxId, Timestamp } from './names.ts';

/** A TCP port of the sandbox's loopback. */
export const Port = z.int().min(1).max(65_535);

export const PortsUrl = z.strictObject({
  sandbox: SandboxId,
  port: Port,
  /** Milliseconds for which the URL lets someone in. */
  ttlMs: z.int().min(1000).max(86_400_000).default(600_000),
});

export const PortsUrlResult = z.strictObject({
  /** Carries a ticket: whoever has the URL may use the preview until it expires. */
  url: z.url(),
  expiresAt: Timestamp,
});
