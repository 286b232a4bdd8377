// The daemon's own certificate authority: what sandboxes trust for the hosts whose TLS is opened. The daemon alone holds its
// key; the egress process gets certificates of single hosts. node-forge writes X.509, every private key stays with Node.

import { createPublicKey, generateKeyPair, type KeyObject, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { writeFileAtomic } from '../observe/atomic-file.ts';
import type { Clock } from '../observe/clock.ts';
import type { Leaf } from './messages.ts';

const DAY_MS = 24 * 3_600_000;
/** Clocks inside of images are the host's, but tools round. */
const BACKDATED_MS = DAY_MS;
const AUTHORITY_DAYS = 3650;
/** Sandboxes that live longer than what is left would lose their trust on the way. */
const RENEWED_BEFORE_MS = 400 * DAY_MS;
const LEAF_MS = 7 * DAY_MS;
/** A certificate that is given out is good for at least this long. */
const LEAF_LEFT_MS = 2 * DAY_MS;
const MAX_LEAVES = 512;
const KEY_BITS = 2048;
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';
const NAME = 'Cloister egress authority';

/** Missing in the types of the package. */
type WithBody = typeof forge.pki & { readonly getTBSCertificate: (certificate: forge.pki.Certificate) => forge.asn1.Asn1 };

const generate = promisify(generateKeyPair);
const signData = promisify(sign);

interface Extension {
  readonly name: string;
  readonly [field: string]: unknown;
}

export class CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly #key: KeyObject;
  readonly #leafKey: KeyObject;
  readonly #clock: Clock;
  /** By host, the least recently used first. */
  readonly #leaves = new Map<string, Promise<Leaf>>();

  private constructor(certificate: string, key: KeyObject, leafKey: KeyObject, clock: Clock) {
    this.certificate = certificate;
    this.#key = key;
    this.#leafKey = leafKey;
    this.#clock = clock;
  }

  /** Key and certificate are one file, owner only; made the first time, and anew before it expires. */
  static async open(path: string, clock: Clock): Promise<CertificateAuthority> {
    const stored = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    });
    const isGood = stored !== null && Date.parse(new X509Certificate(certificateOf(stored)).validTo) - clock.now() > RENEWED_BEFORE_MS;
    const text = isGood ? stored : await makeAuthority(clock.now());
    if (!isGood) await writeFileAtomic(path, text, { mode: 0o600 });
    // One key for all hosts: whoever holds one of the certificates is the one process that holds them all.
    const { privateKey } = await generate('rsa', { modulusLength: KEY_BITS });
    return new CertificateAuthority(certificateOf(text), createPrivateKey(text), privateKey, clock);
  }

  /** `host` is a canonical name or address without brackets. */
  async leaf(host: string): Promise<Leaf> {
    const known = this.#leaves.get(host);
    this.#leaves.delete(host);
    const isFresh = known !== undefined && (await known).untilMs - this.#clock.now() > LEAF_LEFT_MS;
    const leaf = isFresh ? known : this.#makeLeaf(host);
    this.#leaves.set(host, leaf);
    const [oldest] = this.#leaves.keys();
    if (this.#leaves.size > MAX_LEAVES && oldest !== undefined) this.#leaves.delete(oldest);
    return leaf;
  }

  async #makeLeaf(host: string): Promise<Leaf> {
    const now = this.#clock.now();
    const untilMs = now + LEAF_MS;
    const certificate = await issue({
      // A common name has at most 64 characters, and nobody reads it beside the alternative names.
      subject: 'Cloister egress',
      publicKey: createPublicKey(this.#leafKey),
      fromMs: now - BACKDATED_MS,
      untilMs,
      issuerKey: this.#key,
      extensions: [
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: [isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }] },
      ],
    });
    return { key: pemOf(this.#leafKey), certificates: certificate, untilMs };
  }
}

async function makeAuthority(now: number): Promise<string> {
  const { privateKey, publicKey } = await generate('rsa', { modulusLength: KEY_BITS });
  const certificate = await issue({
    subject: NAME,
    publicKey,
    fromMs: now - BACKDATED_MS,
    untilMs: now + AUTHORITY_DAYS * DAY_MS,
    issuerKey: privateKey,
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return `${pemOf(privateKey)}${certificate}`;
}

async function issue(options: {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly issuerKey: KeyObject;
  readonly extensions: readonly Extension[];
}): Promise<string> {
  const certificate = forge.pki.createCertificate();
  const issuerKey = forgeKey(createPublicKey(options.issuerKey));
  certificate.publicKey = forgeKey(options.publicKey);
  certificate.serialNumber = `00${randomBytes(16).toString('hex')}`;
  certificate.validity.notBefore = new Date(options.fromMs);
  certificate.validity.notAfter = new Date(options.untilMs);
  certificate.setSubject([{ name: 'commonName', value: options.subject }]);
  certificate.setIssuer([{ name: 'commonName', value: NAME }]);
  const keyIdentifier = forge.pki.getPublicKeyFingerprint(issuerKey, { type: 'RSAPublicKey' }).getBytes();
  certificate.setExtensions([...options.extensions, { name: 'subjectKeyIdentifier' }, { name: 'authorityKeyIdentifier', keyIdentifier }]);
  certificate.signatureOid = SHA256_WITH_RSA;
  certificate.siginfo.algorithmOid = SHA256_WITH_RSA;
  const body = (forge.pki as WithBody).getTBSCertificate(certificate);
  certificate.tbsCertificate = body;
  const bytes = Buffer.from(forge.asn1.toDer(body).getBytes(), 'latin1');
  certificate.signature = (await signData('sha256', bytes, options.issuerKey)).toString('latin1');
  return forge.pki.certificateToPem(certificate).replaceAll('\r', '');
}

const forgeKey = (key: KeyObject): forge.pki.PublicKey =>
  forge.pki.publicKeyFromPem(key.export({ type: 'spki', format: 'pem' }).toString());

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const certificateOf = (text: string): string => text.slice(text.indexOf('-----BEGIN CERTIFICATE-----'));
