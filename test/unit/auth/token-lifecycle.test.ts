// Tokens over time: made narrower, revoked, their key replaced, and those that others have signed.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SessionName, TenantName } from '../../../client/protocol/names.ts';
import { Authenticator } from '../../../daemon/auth/authenticator.ts';
import { ExternalIssuer, ExternalIssuers } from '../../../daemon/auth/external-issuers.ts';
import { KeyRing } from '../../../daemon/auth/key-ring.ts';
import { narrow } from '../../../daemon/auth/narrow.ts';
import { assertWithinCeilings } from '../../../daemon/auth/access.ts';
import type { Principal } from '../../../daemon/auth/principal.ts';
import { RevocationList } from '../../../daemon/auth/revocation.ts';
import { mintToken } from '../../../daemon/auth/token.ts';
import { DEFAULT_LIMITS } from '../../../client/protocol/limits.ts';
import { principal, refusal } from '../../support/fake-sandbox.ts';

const HOUR = 3_600_000;
let now = 0;
let directory: string;
let keys: KeyRing;
let revoked: RevocationList;
beforeEach(async () => {
  now = Date.UTC(2026, 0, 1);
  directory = await mkdtemp(join(tmpdir(), 'tokens-'));
  keys = await KeyRing.open(join(directory, 'key.pem'));
  revoked = new RevocationList(join(directory, 'revoked.json'));
});
afterEach(() => rm(directory, { recursive: true }));

const authenticator = (issuers: ExternalIssuers = new ExternalIssuers([])) => new Authenticator({ keys, revoked, issuers, now: () => now });
const request = (more: object = {}) => ({
  tenant: TenantName.parse('acme'),
  role: 'tenant' as const,
  session: null,
  isReadOnly: false,
  ttlMs: HOUR,
  ...more,
});
const holder = (more: Partial<Principal> = {}): Principal => ({ ...principal(), expiresAt: now + HOUR, ...more });

describe('a narrower token', () => {
  test.each<[string, Partial<Principal>, object, string]>([
    ['of a higher role', {}, { role: 'operator' }, 'FORBIDDEN: a token of role tenant makes none of role operator'],
    [
      'of an observer for a tenant',
      { role: 'observer' },
      { role: 'tenant' },
      'FORBIDDEN: a token of role observer makes none of role tenant',
    ],
    ['for another tenant', {}, { tenant: 'globex' }, 'FORBIDDEN: it would be for another tenant'],
    ['that writes where this one reads', { isReadOnly: true }, { readOnly: false }, 'FORBIDDEN: this one is read-only'],
    ['for another session', { session: SessionName.parse('s') }, { session: 't' }, 'FORBIDDEN: it would be for another session'],
    ['for more sessions', { sessions: 'build-*' }, { sessions: 'b*' }, 'FORBIDDEN: its sessions are not among build-*'],
    ['for a session beside them', { sessions: 'build-*' }, { session: 'test-1' }, 'FORBIDDEN: its session is not among build-*'],
    ['that outlives it', {}, { ttlMs: 2 * HOUR }, 'FORBIDDEN: it would outlive this one'],
    ['for one of its sessions', { sessions: 'build-*' }, { session: 'build-1' }, 'no error'],
    ['for fewer of them', { sessions: 'build-*' }, { sessions: 'build-4*' }, 'no error'],
    ['of an operator for a tenant', { role: 'operator', tenant: null }, { tenant: 'acme', role: 'tenant' }, 'no error'],
  ])('%s: %s', async (_, of, asked, why) => {
    expect(await refusal(() => narrow(holder(of), asked as never, now))).toBe(why);
  });

  test('keeps every limit of the one it is made from, whichever is lower', () => {
    const of = holder({ isReadOnly: true, ceilings: { memoryBytes: 100, pids: 50 }, parents: ['grandparent'] });
    expect(narrow(of, { ceilings: { memoryBytes: 200, sandboxes: 2, pids: 20 } }, now)).toMatchObject({
      isReadOnly: true,
      ceilings: { memoryBytes: 100, pids: 20, sandboxes: 2 },
      parents: ['grandparent', 'token-1'],
      ttlMs: HOUR,
    });
  });

  test('ends with the one it was made from', async () => {
    const made = await mintToken(keys, request({ parents: ['token-1'] }), now);
    expect(await authenticator().verify(made.token)).toMatchObject({ parents: ['token-1'] });
    await revoked.revoke('token-1', now + HOUR, now);
    expect(await refusal(authenticator().verify(made.token))).toBe('UNAUTHENTICATED: the token was revoked');
  });
});

describe('the ceilings of a token', () => {
  test.each<[string, object, number, string]>([
    [
      'a limit above it',
      { memoryBytes: DEFAULT_LIMITS.memoryBytes - 1 },
      0,
      `QUOTA_EXCEEDED: memoryBytes of at most ${DEFAULT_LIMITS.memoryBytes - 1} is allowed by the token's own ceilings`,
    ],
    [
      'no limit where there is one',
      { outputBytes: 1024 },
      0,
      "QUOTA_EXCEEDED: outputBytes of at most 1024 is allowed by the token's own ceilings",
    ],
    ['one sandbox too many', { sandboxes: 2 }, 2, "QUOTA_EXCEEDED: 2 at once are allowed by the token's own ceilings"],
    ['what is within', { sandboxes: 2, memoryBytes: DEFAULT_LIMITS.memoryBytes }, 1, 'no error'],
  ])('with %s: %s', async (_, ceilings, live, why) => {
    expect(await refusal(() => assertWithinCeilings(holder({ ceilings }), DEFAULT_LIMITS, live))).toBe(why);
  });
});

describe('revocation', () => {
  test('holds for the next daemon, and by another process within a second', async () => {
    const { token, principal: made } = await mintToken(keys, request(), now);
    await authenticator().verify(token);
    await new RevocationList(join(directory, 'revoked.json')).revoke(made.tokenId, now + HOUR, now);
    now += 1000;
    expect(await refusal(authenticator().verify(token))).toBe('UNAUTHENTICATED: the token was revoked');
    revoked = new RevocationList(join(directory, 'revoked.json'));
    expect(await refusal(authenticator().verify(token))).toBe('UNAUTHENTICATED: the token was revoked');
  });

  test('of a token that has expired by itself takes no place', async () => {
    await revoked.revoke('one', now + 1000, now);
    await revoked.revoke('two', now + HOUR, now + 2000);
    expect([revoked.isRevoked({ tokenId: 'one' }), revoked.isRevoked({ tokenId: 'two' })]).toEqual([false, true]);
  });
});

describe('a new key', () => {
  test('signs at once; tokens of the old one are good for the grace and no longer', async () => {
    const { token } = await mintToken(keys, request({ ttlMs: 10 * HOUR }), now);
    await keys.rotate(HOUR, now);
    const fresh = await mintToken(keys, request({ ttlMs: 10 * HOUR }), now);
    expect(await refusal(authenticator().verify(token))).toBe('no error');
    now += HOUR;
    expect(await refusal(authenticator().verify(token))).toBe('UNAUTHENTICATED: the token is not valid here');
    expect(await refusal(authenticator().verify(fresh.token))).toBe('no error');
  });

  test('made by another process is noticed without a restart, and without grace ends every token', async () => {
    const { token } = await mintToken(keys, request(), now);
    await authenticator().verify(token);
    const other = await KeyRing.open(join(directory, 'key.pem'));
    await other.rotate(0, now);
    const fresh = await mintToken(other, request(), now);
    now += 1000;
    expect(await refusal(authenticator().verify(fresh.token))).toBe('no error');
    expect(await refusal(authenticator().verify(token))).toBe('UNAUTHENTICATED: the token is not valid here');
  });
});

describe('an issuer of the configuration', () => {
  const ISSUER = 'https://login.example.com/';
  let key: KeyObject;
  let jwks: { keys: object[] };
  let server: Server;
  let asked: number;
  let url: string;
  beforeEach(async () => {
    asked = 0;
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    key = pair.privateKey;
    jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' }] };
    server = createServer((incoming, response) => {
      asked += 1;
      if (incoming.url === '/elsewhere') response.writeHead(302, { location: '/keys' }).end();
      else if (incoming.url === '/endless') response.end('['.padEnd(300_000, ' '));
      else response.end(JSON.stringify(jwks));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const issuers = (more: object = {}) =>
    new ExternalIssuers([ExternalIssuer.parse({ issuer: ISSUER, jwks: `${url}/keys`, audience: 'cloister-here', ...more })]);
  const signed = (
    claims: object = {},
    more: { kid?: string; alg?: string; key?: KeyObject | Uint8Array; audience?: string; issuer?: string } = {},
  ) =>
    new SignJWT({ tenant: 'acme', ...claims })
      .setProtectedHeader({ alg: more.alg ?? 'ES256', kid: more.kid ?? 'k1' })
      .setIssuer(more.issuer ?? ISSUER)
      .setAudience(more.audience ?? 'cloister-here')
      .setSubject('user-7')
      .setExpirationTime(Math.floor(now / 1000) + 600)
      .sign(more.key ?? key);

  test('says who acts, within what it may say', async () => {
    expect(await authenticator(issuers()).verify(await signed({ role: 'observer', sessions: 'build-*' }))).toMatchObject({
      tenant: 'acme',
      role: 'observer',
      sessions: 'build-*',
      isReadOnly: false,
      tokenId: `${ISSUER} user-7`,
    });
  });

  const NOT_VALID = 'UNAUTHENTICATED: the token is not valid here';
  test.each<[string, () => Promise<string>, object, string]>([
    [
      'an operator, which it may not make',
      () => signed({ role: 'operator' }),
      {},
      `UNAUTHENTICATED: issuer ${ISSUER} may not give this role and tenant`,
    ],
    [
      "another's tenant",
      () => signed({ tenant: 'globex' }),
      { tenants: ['acme'] },
      `UNAUTHENTICATED: issuer ${ISSUER} may not give this role and tenant`,
    ],
    ['no tenant', () => signed({ tenant: undefined }), {}, NOT_VALID],
    ['a token for someone else', () => signed({}, { audience: 'other' }), {}, NOT_VALID],
    [
      'a token that someone else has signed',
      () => signed({}, { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }),
      {},
      NOT_VALID,
    ],
    ['a token signed with a shared secret', () => signed({}, { alg: 'HS256', key: new Uint8Array(32) }), {}, NOT_VALID],
    ['a token of an issuer that is not configured', () => signed({}, { issuer: 'https://else.example.com/' }), {}, NOT_VALID],
    ["a token that says it is the daemon's own", () => signed({}, { issuer: 'cloister' }), {}, NOT_VALID],
    ['keys behind a redirect', () => signed(), { jwks: '/elsewhere' }, NOT_VALID],
    ['more than keys are', () => signed(), { jwks: '/endless' }, NOT_VALID],
  ])('is refused with %s', async (_, make, more, why) => {
    const source = (more as { jwks?: string }).jwks;
    expect(
      await refusal(authenticator(issuers({ ...more, ...(source === undefined ? {} : { jwks: `${url}${source}` }) })).verify(await make())),
    ).toBe(why);
  });

  test('is asked once for many tokens, and once in half a minute for keys that it does not have', async () => {
    const all = authenticator(issuers());
    for (let turn = 0; turn < 5; turn += 1) await all.verify(await signed());
    expect(asked).toBe(1);
    for (let turn = 0; turn < 5; turn += 1) expect(await refusal(all.verify(await signed({}, { kid: 'made-up' })))).toBe(NOT_VALID);
    expect(asked).toBe(1);
    now += 30_000;
    for (let turn = 0; turn < 5; turn += 1) expect(await refusal(all.verify(await signed({}, { kid: 'made-up' })))).toBe(NOT_VALID);
    expect(asked).toBe(2);
  });

  test('may replace its keys, and may be away for a while', async () => {
    const all = authenticator(issuers());
    await all.verify(await signed());
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    jwks.keys.push({ ...(await exportJWK(pair.publicKey)), kid: 'k2', alg: 'ES256' });
    now += 30_000;
    expect(await refusal(all.verify(await signed({}, { kid: 'k2', key: pair.privateKey })))).toBe('no error');
    await new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    now += HOUR;
    expect(await refusal(all.verify(await signed()))).toBe('no error');
    now += 24 * HOUR;
    expect(await refusal(all.verify(await signed()))).toBe(NOT_VALID);
  });

  test('may give its keys as a file', async () => {
    await writeFile(join(directory, 'jwks.json'), JSON.stringify(jwks));
    expect(await refusal(authenticator(issuers({ jwks: join(directory, 'jwks.json') })).verify(await signed()))).toBe('no error');
  });

  test.each(['http://login.example.com/keys', 'ftp://x/y', 'relative.json', 'https://user:pass@login.example.com/keys'])(
    'has no keys at %s',
    (source) => {
      expect(ExternalIssuer.safeParse({ issuer: ISSUER, jwks: source, audience: 'a' }).success).toBe(false);
    },
  );
});
