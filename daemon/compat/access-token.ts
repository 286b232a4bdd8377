// The token of one sandbox: what E2B's clients send with every call to it, and sign addresses of files with. Owns its form: the
// name of the API key it was given to, and a MAC over key, tenant and sandbox. Nothing is kept, so it outlives a restart.

import { createHash, createHmac, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { ApiKey } from './api-keys.ts';

const MAX_CHARACTERS = 256;

export function accessKey(tokenKey: KeyObject): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', tokenKey.export({ type: 'pkcs8', format: 'der' }), '', 'cloister e2b sandboxes', 32));
}

type Named = (name: string) => ApiKey | undefined;

/** For calls to the sandbox. */
export const accessToken = (secret: Uint8Array, key: ApiKey, sandbox: SandboxId): string => tokenOf(secret, 'access', key, sandbox);

/** The API key whose token of this sandbox it is; null: it is none. */
export const readAccessToken = (secret: Uint8Array, text: string, sandbox: SandboxId, named: Named): ApiKey | null =>
  readToken(secret, 'access', text, sandbox, named);

/** For its ports, and nothing else. */
export const trafficToken = (secret: Uint8Array, key: ApiKey, sandbox: SandboxId): string => tokenOf(secret, 'traffic', key, sandbox);

export const readTrafficToken = (secret: Uint8Array, text: string, sandbox: SandboxId, named: Named): ApiKey | null =>
  readToken(secret, 'traffic', text, sandbox, named);

function tokenOf(secret: Uint8Array, use: 'access' | 'traffic', { name, sha256, tenant }: ApiKey, sandbox: SandboxId): string {
  const stated = JSON.stringify([use, name, sha256, tenant, sandbox]);
  return `${name}.${createHmac('sha256', secret).update(stated).digest('base64url')}`;
}

function readToken(secret: Uint8Array, use: 'access' | 'traffic', text: string, sandbox: SandboxId, named: Named): ApiKey | null {
  if (text.length > MAX_CHARACTERS) return null;
  const key = named(text.slice(0, Math.max(0, text.lastIndexOf('.'))));
  return key !== undefined && isSame(text, tokenOf(secret, use, key, sandbox)) ? key : null;
}

export interface SignedFile {
  readonly path: string;
  readonly operation: 'read' | 'write';
  readonly user: string;
  /** Seconds since the epoch; null: it does not expire. */
  readonly expiresAt: number | null;
}

/** The signature in the address of a file, as E2B's clients make it from the token. */
export function fileSignature(token: string, { path, operation, user, expiresAt }: SignedFile): string {
  const text = [path, operation, user, token, ...(expiresAt === null ? [] : [String(expiresAt)])].join(':');
  return `v1_${createHash('sha256').update(text).digest('base64').replace(/=+$/, '')}`;
}

export function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
