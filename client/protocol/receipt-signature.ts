// Signs receipts and checks signatures: Ed25519 over the canonical JSON of everything but the signature, so that one can
// be checked offline, whatever wrote it to disk. Knows nothing of where keys live.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Receipt } from './receipt.ts';

export type UnsignedReceipt = Omit<Receipt, 'signature'>;

export function signReceipt(receipt: UnsignedReceipt, privateKey: KeyObject): Receipt {
  return { ...receipt, signature: sign(null, signedBytes(receipt), privateKey).toString('base64url') };
}

/** Accepts the private key as well, from which the public one follows. */
export function verifyReceipt(receipt: Receipt, key: KeyObject): boolean {
  const { signature, ...rest } = receipt;
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return verify(null, signedBytes(rest), publicKey, Buffer.from(signature, 'base64url'));
}

const signedBytes = (receipt: UnsignedReceipt): Buffer => Buffer.from(canonicalJson(receipt), 'utf8');

/** JSON with sorted keys and without white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
