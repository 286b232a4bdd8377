// API keys, the tokens of sandboxes, and signatures: what lets somebody in, and nothing else does.

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SandboxId, TenantName } from '../../../client/protocol/names.ts';
import {
  accessToken,
  fileSignature,
  isSame,
  readAccessToken,
  readTrafficToken,
  trafficToken,
} from '../../../daemon/compat/access-token.ts';
import { ApiKeys } from '../../../daemon/compat/api-keys.ts';

const text = (digit: string): string => `e2b_${digit.repeat(40)}`;
const keyOf = (name: string, digit: string, tenant: string) => ({
  name,
  sha256: createHash('sha256').update(text(digit)).digest('hex'),
  tenant: TenantName.parse(tenant),
});
const [ann, bob] = [keyOf('ann', 'a', 'acme'), keyOf('bob', 'b', 'rival')];
const keys = new ApiKeys([ann, bob]);
const named = (name: string) => keys.named(name);

describe('an API key', () => {
  test('is its tenant', () => {
    expect(keys.identify(text('a'))).toBe(ann);
    expect(keys.identify(text('b')).tenant).toBe('rival');
  });

  test.each([
    undefined,
    '',
    text('c'),
    text('a').slice(0, -1),
    `${text('a')}a`,
    text('a').slice(4),
    'e2b_',
    ann.sha256,
    `e2b_${ann.sha256}`,
  ])('is none where it is %s', (wrong) => expect(() => keys.identify(wrong)).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' })));

  test('too short to be one is none, though its hash is there', () => {
    const short = new ApiKeys([{ ...ann, sha256: createHash('sha256').update('e2b_ab').digest('hex') }]);
    expect(() => short.identify('e2b_ab')).toThrow(expect.objectContaining({ code: 'UNAUTHENTICATED' }));
  });
});

describe('the token of a sandbox', () => {
  const secret = new Uint8Array(32).fill(7);
  const [one, other] = [SandboxId.parse(`sb_${'a'.repeat(20)}`), SandboxId.parse(`sb_${'b'.repeat(20)}`)];
  const token = accessToken(secret, ann, one);

  test('is good for that one, and tells whose key it was given to', () => expect(readAccessToken(secret, token, one, named)).toBe(ann));

  const wrong: Record<string, () => unknown> = {
    'for another sandbox': () => readAccessToken(secret, token, other, named),
    'made with another secret': () => readAccessToken(new Uint8Array(32), token, one, named),
    'under the name of another key': () => readAccessToken(secret, token.replace('ann', 'bob'), one, named),
    'of a key that is gone': () => readAccessToken(secret, token, one, () => undefined),
    'of a key of the same name with another value': () => readAccessToken(secret, token, one, () => ({ ...ann, sha256: bob.sha256 })),
    'of a key that is another tenant now': () => readAccessToken(secret, token, one, () => ({ ...ann, tenant: bob.tenant })),
    'for ports': () => readAccessToken(secret, trafficToken(secret, ann, one), one, named),
    'that is empty': () => readAccessToken(secret, '', one, named),
    'without a name': () => readAccessToken(secret, token.slice(3), one, named),
    'cut short': () => readAccessToken(secret, token.slice(0, -1), one, named),
    'of any length': () => readAccessToken(secret, token.padEnd(100_000, 'x'), one, named),
  };
  test.each(Object.entries(wrong))('%s is none', (_, read) => expect(read()).toBeNull());

  test('for ports is for ports alone', () => {
    expect(readTrafficToken(secret, trafficToken(secret, ann, one), one, named)).toBe(ann);
    expect(readTrafficToken(secret, token, one, named)).toBeNull();
  });
});

test('a signature is of one path, use, user and time', () => {
  const file = { path: 'a', operation: 'read', user: '', expiresAt: null } as const;
  const own = fileSignature('token', file);
  expect(own).toBe(`v1_${createHash('sha256').update('a:read::token').digest('base64').replace(/=+$/, '')}`);
  const others = [
    { ...file, path: 'b' },
    { ...file, operation: 'write' as const },
    { ...file, user: 'root' },
    { ...file, expiresAt: 5 },
  ];
  expect(others.filter((changed) => isSame(own, fileSignature('token', changed)))).toEqual([]);
  expect(isSame(own, own)).toBe(true);
});
