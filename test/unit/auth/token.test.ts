// Tokens: only ours, only in time, and only what was put into them.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SessionName, TenantName } from '../../../client/protocol/names.ts';
import { KeyRing } from '../../../daemon/auth/key-ring.ts';
import { createToken, verifyToken, type TokenRequest } from '../../../daemon/auth/token.ts';
import { refusal } from '../../support/fake-sandbox.ts';

const NOW = Date.UTC(2026, 0, 1);
let directory: string;
let keys: KeyRing;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-'));
  keys = await KeyRing.open(join(directory, 'key.pem'));
});
afterAll(() => rm(directory, { recursive: true }));

const request = (more: Partial<TokenRequest> = {}): TokenRequest => ({
  tenant: TenantName.parse('acme'),
  role: 'tenant',
  session: null,
  isReadOnly: false,
  ttlMs: 60_000,
  ...more,
});
const signed = (claims: object, more: { alg?: string; key?: Parameters<SignJWT['sign']>[0]; issuer?: string } = {}) =>
  new SignJWT({ role: 'tenant', tenant: 'acme', session: null, readOnly: false, ...claims })
    .setProtectedHeader({ alg: more.alg ?? 'EdDSA' })
    .setIssuer(more.issuer ?? 'cloister')
    .setJti('j')
    .setExpirationTime(NOW / 1000 + 60)
    .sign(more.key ?? keys.current.privateKey);

test('a token says afterwards what was put into it', async () => {
  const token = await createToken(keys, request({ role: 'observer', session: SessionName.parse('s'), isReadOnly: true }), NOW);
  expect(await verifyToken(keys, token, NOW)).toMatchObject({
    tenant: 'acme',
    role: 'observer',
    session: 's',
    isReadOnly: true,
    expiresAt: NOW + 60_000,
  });
});

test("a key is made once, and is its owner's alone", async () => {
  const again = await KeyRing.open(join(directory, 'key.pem'));
  expect(again.current.publicKey.equals(keys.current.publicKey)).toBe(true);
  expect((await stat(join(directory, 'key.pem'))).mode & 0o777).toBe(0o600);
});

test.each(['tenant', 'observer'] as const)('a token of role %s needs a tenant', async (role) => {
  expect(await refusal(createToken(keys, request({ role, tenant: null }), NOW))).toBe('INVALID_REQUEST: it needs a tenant');
});

const NOT_OURS = 'UNAUTHENTICATED: the token is not valid here';
test.each<[string, () => Promise<string> | string, string]>([
  ['nothing', () => '', 'UNAUTHENTICATED: no token was sent'],
  ['an expired one', () => createToken(keys, request({ ttlMs: -1000 }), NOW), 'UNAUTHENTICATED: the token is expired'],
  ['one of another key', async () => signed({}, { key: generateKeyPairSync('ed25519').privateKey }), NOT_OURS],
  ['one of another issuer', () => signed({}, { issuer: 'else' }), NOT_OURS],
  [
    'one signed with the public key as a shared secret',
    () => signed({}, { alg: 'HS256', key: Buffer.from(keys.current.publicKey.export({ type: 'spki', format: 'pem' })) }),
    NOT_OURS,
  ],
  [
    'one without signature',
    async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await signed({})).split('.')[1]}.`,
    NOT_OURS,
  ],
  ['one with an unknown role', () => signed({ role: 'root' }), NOT_OURS],
  ['one whose tenant is a path', () => signed({ tenant: '../x' }), NOT_OURS],
  ['one that does not say whether it is read-only', () => signed({ readOnly: undefined }), NOT_OURS],
  ['text', () => 'a.b.c', NOT_OURS],
])('%s is refused', async (_, make, why) => {
  expect(await refusal(verifyToken(keys, await make(), NOW))).toBe(why);
});

test('a token is good to its last millisecond and not beyond', async () => {
  const token = await createToken(keys, request(), NOW);
  expect(await refusal(verifyToken(keys, token, NOW + 59_999))).toBe('no error');
  expect(await refusal(verifyToken(keys, token, NOW + 60_000))).toBe('UNAUTHENTICATED: the token is expired');
});
