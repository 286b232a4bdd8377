// Who acts: the parsed content of a token. Knows nothing of connections.

import { z } from 'zod';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';

export const Principal = z.strictObject({
  /** An operator acts on every tenant: this is the one meant where a call names none; null: there is no such default. */
  tenant: TenantName.nullable(),
  role: Role,
  /** Narrowed to this session, if set. */
  session: SessionName.nullable(),
  isReadOnly: z.boolean(),
  tokenId: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
});
export type Principal = z.infer<typeof Principal>;
