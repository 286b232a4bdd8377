import { createHash } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { expect, test } from 'vitest';
import { javaTrustStore } from '../../../daemon/egress/java-trust-store.ts';

test('a trust store has every certificate of the bundle, and the digest that Java checks', () => {
  const store = javaTrustStore(rootCertificates.slice(0, 3).join('\n'));
  expect(store.readUInt32BE(0)).toBe(0xfeedfeed);
  expect(store.readUInt32BE(8)).toBe(3);
  const password = Buffer.from('\0c\0h\0a\0n\0g\0e\0i\0t', 'latin1');
  const digest = createHash('sha1').update(password).update('Mighty Aphrodite').update(store.subarray(0, -20)).digest();
  expect(store.subarray(-20).equals(digest)).toBe(true);
});
