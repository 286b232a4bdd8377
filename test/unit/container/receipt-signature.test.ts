// The signature of a receipt: it covers every field, in any key order, and nobody else's key makes it.
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { Receipt } from '../../../client/protocol/receipt.ts';
import { canonicalJson, type UnsignedReceipt } from '../../../client/protocol/receipt-text.ts';
import { verifyReceipt } from '../../../client/verify-receipt.ts';
import { signReceipt } from '../../../daemon/container/receipt-signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');

const UNSIGNED: UnsignedReceipt = {
  sandboxId: 'sb1',
  at: '2030-01-01T00:00:00.000Z',
  runtime: 'runc',
  image: { name: 'base', id: 'sha256:a' },
  uid: 200_001,
  gid: 200_001,
  capabilities: { inheritable: [], permitted: [], effective: [], bounding: [], ambient: [] },
  noNewPrivs: true,
  seccomp: { mode: 2, profile: 'strict', sha256: 'b' },
  mounts: [{ target: '/workspace', flags: ['rw', 'nosuid', 'nodev'] }],
  network: { interfaces: ['lo'], routes: [] },
  limits: { memoryBytes: 1, cpus: 0.5, pids: 1, diskBytes: null, tmpBytes: 1 },
  workspace: { name: 'main', store: 'btrfs', quota: 'hard' },
  profile: 'workspace-write',
  policySha256: 'c',
  daemonVersion: '1.0.0',
};

test("a signed receipt is the wire's, and verifies with the public key after a round trip", () => {
  const receipt = Receipt.parse(JSON.parse(JSON.stringify(signReceipt(UNSIGNED, privateKey))));
  expect(verifyReceipt(receipt, publicKey)).toBe(true);
  expect(verifyReceipt(receipt, privateKey)).toBe(true);
  expect(verifyReceipt(Object.fromEntries(Object.entries(receipt).reverse()) as Receipt, publicKey)).toBe(true);
});

test('a changed field, at any depth, breaks the signature', () => {
  const receipt = signReceipt(UNSIGNED, privateKey);
  const paths = (value: unknown, path: string[] = []): string[][] =>
    typeof value === 'object' && value !== null && Object.keys(value).length > 0
      ? Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))
      : [path];
  for (const path of paths(receipt)) {
    const changed = structuredClone(receipt);
    const holder = path.slice(0, -1).reduce<unknown>((inner, key) => Reflect.get(Object(inner), key), changed);
    Reflect.set(Object(holder), path.at(-1) ?? '', 'changed');
    expect(verifyReceipt(changed, publicKey), path.join('.')).toBe(false);
  }
});

test("another key's signature and a mangled one do not verify", () => {
  const other = generateKeyPairSync('ed25519');
  expect(verifyReceipt(signReceipt(UNSIGNED, other.privateKey), publicKey)).toBe(false);
  expect(verifyReceipt({ ...UNSIGNED, signature: '' }, publicKey)).toBe(false);
  expect(verifyReceipt({ ...UNSIGNED, signature: '%%%' }, publicKey)).toBe(false);
});

test('canonical JSON sorts keys at every depth and keeps the order of lists', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }, 3], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1},3]}');
});
