// Checks a receipt without the daemon: whoever holds one and the daemon's public key can.

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Receipt } from './protocol/receipt.ts';
import { signedText } from './protocol/receipt-text.ts';

/**
 * Did the daemon with this key (`cloister.receiptKey`, PEM) sign exactly this receipt?
 * @example verifyReceipt(sandbox.receipt, cloister.receiptKey)
 */
export function verifyReceipt(receipt: Receipt, key: string | KeyObject): boolean {
  const { signature, ...rest } = receipt;
  const publicKey = typeof key === 'string' || key.type === 'private' ? createPublicKey(key) : key;
  return verify(null, Buffer.from(signedText(rest)), publicKey, Buffer.from(signature, 'base64url'));
}
