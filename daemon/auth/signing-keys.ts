// Ed25519 keys in PEM files: of tokens, receipts and the audit log. Owns reading and making them.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../observe/atomic-file.ts';

export interface SigningKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Reads `<path>` (PEM, Ed25519), making it (mode 0600) the first time. */
export async function loadSigningKeys(path: string): Promise<SigningKeys> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    pem = newPrivateKey();
    await writeFileAtomic(path, pem);
  }
  return keysOf(pem);
}

export const newPrivateKey = (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export function keysOf(pem: string): SigningKeys {
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}
