// /v1/tokens: a token made narrower from the one that asks, a token that is not to be honoured any more, a new signing key.
// Each is on record before it holds.

import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { KeyRing } from '../auth/key-ring.ts';
import { narrow, NarrowRequest } from '../auth/narrow.ts';
import type { Principal } from '../auth/principal.ts';
import type { RevocationList } from '../auth/revocation.ts';
import { mintToken } from '../auth/token.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Route } from './route.ts';

/** No token is valid for longer. */
const LONGEST_MS = 367 * 24 * 3_600_000;
const DEFAULT_GRACE_MS = 24 * 3_600_000;

const RotateRequest = z.strictObject({
  /** How long tokens of the key that is replaced are valid yet. */
  graceMs: z.int().min(0).max(LONGEST_MS).default(DEFAULT_GRACE_MS),
});

export interface TokenRoutesOptions {
  readonly keys: KeyRing;
  readonly revoked: RevocationList;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Ends the connections of tokens that are revoked. */
  readonly onRevoked: () => void;
}

export function tokenRoutes({ keys, revoked, audit, clock, onRevoked }: TokenRoutesOptions): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/tokens',
      handle: async ({ principal, body }) => {
        const request = narrow(principal, await body(NarrowRequest), clock.now());
        const { token, principal: made } = await mintToken(keys, request, clock.now());
        const { tokenId, expiresAt, tenant, role, session, sessions, isReadOnly, ceilings } = made;
        const expires = new Date(expiresAt).toISOString();
        audit.append({
          kind: 'token.create',
          by: principal.tokenId,
          tokenId,
          tenant,
          role,
          session,
          sessions,
          readOnly: isReadOnly,
          ceilings,
          expiresAt: expires,
        });
        return { status: 201, body: { token, tokenId, expiresAt: expires } };
      },
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/:id',
      handle: async ({ principal, id }) => {
        const isOwn = id === principal.tokenId;
        if (!isOwn && !mayAdminister(principal))
          throw new SandboxError('FORBIDDEN', 'Cannot revoke this token: only operators revoke tokens that are not their own');
        audit.append({ kind: 'token.revoke', by: principal.tokenId, tokenId: id, tenant: isOwn ? principal.tenant : null });
        await revoked.revoke(id, isOwn ? principal.expiresAt : clock.now() + LONGEST_MS, clock.now());
        onRevoked();
        return { status: 200, body: { revoked: id } };
      },
    },
    {
      method: 'POST',
      path: '/v1/tokens/rotate',
      handle: async ({ principal, body }) => {
        if (!mayAdminister(principal)) throw new SandboxError('FORBIDDEN', 'Cannot rotate the key of tokens: only operators may');
        const { graceMs } = await body(RotateRequest);
        audit.append({ kind: 'token.rotate', by: principal.tokenId, formerKey: keys.current.id, graceMs });
        const { id } = await keys.rotate(graceMs, clock.now());
        return { status: 200, body: { key: id } };
      },
    },
  ];
}

const mayAdminister = ({ role, isReadOnly }: Principal): boolean => role === 'operator' && !isReadOnly;
