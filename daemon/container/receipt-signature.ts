// Signs receipts: Ed25519, so that one can be checked offline, whatever wrote it to disk. Knows nothing of where keys live.

import { type KeyObject, sign } from 'node:crypto';
import type { Receipt } from '../../client/protocol/receipt.ts';
import { signedText, type UnsignedReceipt } from '../../client/protocol/receipt-text.ts';

export function signReceipt(receipt: UnsignedReceipt, privateKey: KeyObject): Receipt {
  return { ...receipt, signature: sign(null, Buffer.from(signedText(receipt)), privateKey).toString('base64url') };
}
