// Who acts: the parsed content of a token. Knows nothing of connections.

import { z } from 'zod';
import { Limits } from '../../client/protocol/limits.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';

/** A session name, or the beginning of one and `*`. */
export const SessionPattern = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}\*?$/, 'must be a session name, or the beginning of one and *');

/** The most that a token may be used for. */
export const TokenCeilings = Limits.partial().extend({
  /** Sandboxes at once, of those it may see. */
  sandboxes: z.int().min(1).optional(),
});
export type TokenCeilings = z.infer<typeof TokenCeilings>;

export const Principal = z.strictObject({
  /** An operator acts on every tenant: this is the one meant where a call names none; null: there is no such default. */
  tenant: TenantName.nullable(),
  role: Role,
  /** Narrowed to this session, if set. */
  session: SessionName.nullable(),
  /** Narrowed to the sessions that match, if set. */
  sessions: SessionPattern.optional(),
  isReadOnly: z.boolean(),
  ceilings: TokenCeilings.optional(),
  tokenId: z.string(),
  /** Tokens this one was narrowed from: revoking one of them revokes it. */
  parents: z.array(z.string()).optional(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
});
export type Principal = z.infer<typeof Principal>;

export const matchesPattern = (pattern: string | undefined, session: string): boolean =>
  pattern === undefined || (pattern.endsWith('*') ? session.startsWith(pattern.slice(0, -1)) : session === pattern);
