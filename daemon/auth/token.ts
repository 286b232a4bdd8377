// Tokens of our own: EdDSA-signed, tenant and role inside. Owns their form; which keys there are is key-ring.ts's.

import { randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';
import type { KeyRing } from './key-ring.ts';
import { type Principal, SessionPattern, TokenCeilings } from './principal.ts';

export const ISSUER = 'cloister';
/** How often a token may be narrowed again. */
const MAX_PARENTS = 8;

const Claims = z.object({
  jti: z.string().min(1).max(64),
  exp: z.number(),
  role: Role,
  tenant: TenantName.nullable(),
  session: SessionName.nullable(),
  sessions: SessionPattern.optional(),
  readOnly: z.boolean(),
  ceilings: TokenCeilings.optional(),
  parents: z.array(z.string().max(64)).max(MAX_PARENTS).optional(),
});

export interface TokenRequest {
  readonly tenant: TenantName | null;
  readonly role: Role;
  readonly session: SessionName | null;
  readonly sessions?: string | undefined;
  readonly isReadOnly: boolean;
  readonly ceilings?: TokenCeilings | undefined;
  readonly parents?: readonly string[] | undefined;
  readonly ttlMs: number;
}

export interface MintedToken {
  readonly token: string;
  readonly principal: Principal;
}

/** A signed token. A tenant's token names its tenant; only an operator's may go without. */
export async function mintToken(keys: KeyRing, request: TokenRequest, nowMs: number): Promise<MintedToken> {
  if (request.role !== 'operator' && request.tenant === null) {
    throw new SandboxError('INVALID_REQUEST', `Cannot create a token of role ${request.role}: it needs a tenant`, {
      hint: 'Add --tenant T.',
    });
  }
  if ((request.parents?.length ?? 0) > MAX_PARENTS)
    throw new SandboxError('INVALID_REQUEST', `Cannot create a token: this one was narrowed ${MAX_PARENTS} times already`);
  const { tenant, role, session, sessions, isReadOnly, ceilings } = request;
  const tokenId = randomUUID();
  const expiresAt = Math.floor((nowMs + request.ttlMs) / 1000);
  const parents = request.parents?.length ? [...request.parents] : undefined;
  const token = await new SignJWT({ role, tenant, session, sessions, readOnly: isReadOnly, ceilings, parents })
    .setProtectedHeader({ alg: 'EdDSA', kid: keys.current.id })
    .setIssuer(ISSUER)
    .setJti(tokenId)
    .setIssuedAt(Math.floor(nowMs / 1000))
    .setExpirationTime(expiresAt)
    .sign(keys.current.privateKey);
  return { token, principal: { tenant, role, session, sessions, isReadOnly, ceilings, tokenId, parents, expiresAt: expiresAt * 1000 } };
}

export async function createToken(keys: KeyRing, request: TokenRequest, nowMs: number): Promise<string> {
  return (await mintToken(keys, request, nowMs)).token;
}

/** The principal of a token; SandboxError UNAUTHENTICATED says whether it is missing, expired or not ours. */
export async function verifyToken(keys: KeyRing, token: string, nowMs: number): Promise<Principal> {
  if (token === '') throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: no token was sent');
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => keys.publicKeyOf(kid, nowMs), {
      issuer: ISSUER,
      algorithms: ['EdDSA'],
      currentDate: new Date(nowMs),
      requiredClaims: ['exp', 'jti'],
    });
    const { jti, exp, readOnly, ...claims } = Claims.parse(payload);
    return { ...claims, isReadOnly: readOnly, tokenId: jti, expiresAt: exp * 1000 };
  } catch (cause) {
    throw notAuthenticated(cause);
  }
}

export function notAuthenticated(cause: unknown): SandboxError {
  const why = cause instanceof errors.JWTExpired ? 'the token is expired' : 'the token is not valid here';
  return new SandboxError('UNAUTHENTICATED', `Cannot authenticate: ${why}`, { cause });
}
