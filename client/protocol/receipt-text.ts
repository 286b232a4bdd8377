// What exactly a receipt's signature covers: the canonical JSON of everything but the signature. Pure.

import type { Receipt } from './receipt.ts';

export type UnsignedReceipt = Omit<Receipt, 'signature'>;

export const signedText = (receipt: UnsignedReceipt): string => canonicalJson(receipt);

/** JSON with sorted keys and without white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
