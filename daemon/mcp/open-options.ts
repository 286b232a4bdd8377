// Which sandbox an MCP session works in: what the command line and the address of /mcp may say of it.

import { randomBytes } from 'node:crypto';
import type { OpenOptions } from '../../client/index.ts';

export interface McpTarget {
  /** A session to open, whose workspace is kept; a new one, deleted afterwards, unless given. */
  readonly session?: string | undefined;
  readonly image?: string | undefined;
  readonly profile?: string | undefined;
  /** Hosts it may reach; selects profile workspace-write unless one is given. */
  readonly allow: readonly string[];
  /** Join the session beside its controller instead of controlling it. */
  readonly join?: boolean | undefined;
}

export function openOptionsOf({ session, image, profile, allow, join }: McpTarget): {
  readonly open: OpenOptions;
  readonly atEnd: 'delete' | 'close' | 'leave';
} {
  const name = session ?? `mcp-${randomBytes(8).toString('hex')}`;
  if (join === true) return { open: { session: name, role: 'participant' }, atEnd: 'leave' };
  const network: Partial<OpenOptions> = allow.length === 0 ? {} : { egress: { allow: [...allow] } };
  const chosen = profile ?? (allow.length === 0 ? undefined : 'workspace-write');
  const labels = { channel: 'mcp' };
  if (session !== undefined) return { open: { session, image, profile: chosen, labels, ...network }, atEnd: 'close' };
  return { open: { session: name, image, profile: chosen, labels, workspace: { retain: 'delete' }, ...network }, atEnd: 'delete' };
}
