// What exactly a receipt's signature covers: the canonical JSON of everything but the signature. Pure.

import type { Receipt } from './receipt.ts';

export type UnsignedReceipt = Omit<Receipt, 'signature'>;

export const signedText = (receipt: UnsignedReceipt): string => canonicalJson(receipt);

/** JSON with sorted keys and without white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    // Without a prototype, so that every name is a name like any other.
    const sorted = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(inner).sort()) sorted[key] = (inner as Readonly<Record<string, unknown>>)[key];
    return sorted;
  });
}
