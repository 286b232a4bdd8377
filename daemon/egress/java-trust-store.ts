// A Java trust store (JKS) with the certificates of a PEM bundle: Java reads neither PEM nor any environment of its own.
// Only public certificates are in it; the password is the one that everybody uses, and protects nothing. Pure.

import { createHash, X509Certificate } from 'node:crypto';

export const TRUST_STORE_PASSWORD = 'changeit';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
const SALT = 'Mighty Aphrodite';

export function javaTrustStore(bundle: string): Buffer {
  const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const entries = certificates.map((pem, index) => {
    const { raw } = new X509Certificate(pem);
    return Buffer.concat([u32(TRUSTED_CERTIFICATE), text(`authority-${index}`), u64(0), text('X.509'), u32(raw.length), raw]);
  });
  const store = Buffer.concat([u32(MAGIC), u32(VERSION), u32(entries.length), ...entries]);
  const digest = createHash('sha1').update(Buffer.from(TRUST_STORE_PASSWORD, 'utf16le').swap16()).update(SALT).update(store).digest();
  return Buffer.concat([store, digest]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
