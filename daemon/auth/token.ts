// Tokens: EdDSA-signed, tenant and role inside. Owns their form and the key on disk; knows nothing of requests.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';
import { writeFileAtomic } from '../observe/atomic-file.ts';
import type { Principal } from './principal.ts';

const ISSUER = 'cloister';

const Claims = z.object({
  jti: z.string().min(1).max(64),
  exp: z.number(),
  role: Role,
  tenant: TenantName.nullable(),
  session: SessionName.nullable(),
  readOnly: z.boolean(),
});

export interface TokenRequest {
  readonly tenant: TenantName | null;
  readonly role: Role;
  readonly session: SessionName | null;
  readonly isReadOnly: boolean;
  readonly ttlMs: number;
}

export interface SigningKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Reads `<path>` (PEM, Ed25519), making it (mode 0600) the first time. */
export async function loadSigningKeys(path: string): Promise<SigningKeys> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFileAtomic(path, pem);
  }
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** A signed token. A tenant's token names its tenant; only an operator's may go without. */
export async function createToken(keys: SigningKeys, request: TokenRequest, nowMs: number): Promise<string> {
  if (request.role !== 'operator' && request.tenant === null) {
    throw new SandboxError('INVALID_REQUEST', `Cannot create a token of role ${request.role}: it needs a tenant`, {
      hint: 'Add --tenant T.',
    });
  }
  const claims = { role: request.role, tenant: request.tenant, session: request.session, readOnly: request.isReadOnly };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer(ISSUER)
    .setJti(randomUUID())
    .setIssuedAt(Math.floor(nowMs / 1000))
    .setExpirationTime(Math.floor((nowMs + request.ttlMs) / 1000))
    .sign(keys.privateKey);
}

/** The principal of a token; SandboxError UNAUTHENTICATED says whether it is missing, expired or not ours. */
export async function verifyToken(keys: SigningKeys, token: string, nowMs: number): Promise<Principal> {
  if (token === '') throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: no token was sent');
  try {
    const { payload } = await jwtVerify(token, keys.publicKey, {
      issuer: ISSUER,
      algorithms: ['EdDSA'],
      currentDate: new Date(nowMs),
      requiredClaims: ['exp', 'jti'],
    });
    const claims = Claims.parse(payload);
    return {
      tenant: claims.tenant,
      role: claims.role,
      session: claims.session,
      isReadOnly: claims.readOnly,
      tokenId: claims.jti,
      expiresAt: claims.exp * 1000,
    };
  } catch (cause) {
    if (cause instanceof errors.JWTExpired)
      throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token is expired', { cause });
    throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token is not valid here', { cause });
  }
}
