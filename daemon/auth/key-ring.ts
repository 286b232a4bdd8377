// The keys of tokens: the one that signs, and those it has replaced, whose tokens are valid for a while yet. Owns their files,
// and notices when another process (the command line) has replaced the key: nothing has to be restarted.

import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { readJsonFile, writeFileAtomic } from '../observe/atomic-file.ts';
import { loadSigningKeys, newPrivateKey, keysOf, type SigningKeys } from './signing-keys.ts';

/** Keys that were replaced and still verify; older ones go first. */
const MAX_RETIRED = 16;
/** How often the files are looked at. */
const LOOK_MS = 1000;

const Retired = z.array(z.strictObject({ id: z.string(), publicKey: z.string(), untilMs: z.number() }));
type Retired = z.infer<typeof Retired>;

export interface CurrentKey extends SigningKeys {
  readonly id: string;
}

export class KeyRing {
  readonly #path: string;
  #current: CurrentKey;
  #retired: Retired = [];
  #stamp = '';
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(path: string, current: CurrentKey) {
    this.#path = path;
    this.#current = current;
  }

  /** `<path>` is a PEM file, made the first time; `<path>.retired` what it has replaced. */
  static async open(path: string): Promise<KeyRing> {
    const ring = new KeyRing(path, withId(await loadSigningKeys(path)));
    await ring.#read();
    return ring;
  }

  get current(): CurrentKey {
    return this.#current;
  }

  /** For a token that names this key, or none. Throws if no such key verifies now. */
  async publicKeyOf(id: string | undefined, nowMs: number): Promise<KeyObject> {
    if (nowMs - this.#lookedAtMs >= LOOK_MS || nowMs < this.#lookedAtMs) {
      this.#lookedAtMs = nowMs;
      await this.#read();
    }
    if (id === undefined || id === this.#current.id) return this.#current.publicKey;
    const retired = this.#retired.find((key) => key.id === id && key.untilMs > nowMs);
    if (retired === undefined) throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the key of the token is not known');
    return createPublicKey(retired.publicKey);
  }

  /** A new key signs from now on; tokens of the old one are valid for `graceMs` yet, 0: not any more. */
  async rotate(graceMs: number, nowMs: number): Promise<CurrentKey> {
    await this.#read();
    const { id, publicKey } = this.#current;
    const former = { id, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(), untilMs: nowMs + graceMs };
    const retired = [...this.#retired, former].filter((key) => key.untilMs > nowMs).slice(-MAX_RETIRED);
    // In this order: at no time is there a valid token whose key is in neither file.
    await writeFileAtomic(retiredPathOf(this.#path), JSON.stringify(retired));
    const pem = newPrivateKey();
    await writeFileAtomic(this.#path, pem);
    this.#retired = retired;
    this.#current = withId(keysOf(pem));
    return this.#current;
  }

  async #read(): Promise<void> {
    const stamp = `${await stampOf(this.#path)} ${await stampOf(retiredPathOf(this.#path))}`;
    if (stamp === this.#stamp) return;
    this.#current = withId(await loadSigningKeys(this.#path));
    this.#retired = (await readJsonFile(retiredPathOf(this.#path), Retired)) ?? [];
    this.#stamp = stamp;
  }
}

const retiredPathOf = (path: string): string => `${path}.retired`;

function withId(keys: SigningKeys): CurrentKey {
  const der = keys.publicKey.export({ type: 'spki', format: 'der' });
  return { ...keys, id: createHash('sha256').update(der).digest('base64url').slice(0, 22) };
}

/** Files are replaced, never changed. */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? '-' : `${found.ino}.${found.mtimeNs}`;
}
