// What a caller is told whose session belongs to a member that can't be reached. Pure.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { PlacedSession } from './placement-store.ts';

/** Not more: a member that restarts is back before its lease and grace are over. */
const MAX_RETRY_MS = 2000;

export function ownerAway(
  { session }: Pick<PlacedSession, 'session'>,
  { leftMs, isBound }: { readonly leftMs: number; readonly isBound: boolean },
): SandboxError {
  const after = isBound
    ? 'Its workspace lies there. Wait for that member, or open with onOwnerLoss: "fresh" to begin with an empty one once it counts as lost.'
    : `Try again; once it counts as lost (in ${Math.ceil(leftMs / 1000)} s) another member takes the session.`;
  return new SandboxError('OWNER_UNAVAILABLE', `Cannot open session ${session}: the member of the fleet that owns it does not answer`, {
    hint: after,
    retryAfterMs: Math.max(100, Math.min(MAX_RETRY_MS, leftMs === 0 ? MAX_RETRY_MS : leftMs)),
  });
}
