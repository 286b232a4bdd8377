// Secrets at rest: one file per sandbox, AES-256-GCM under a key of the state directory (mode 0600), bound to the sandbox's id.
// Owns the key and the files; knows nothing of what the secrets are for. Whoever reads the key file reads the secrets: this
// keeps values out of backups of records, of searches and of accidents, not out of root's hands.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { writeFileAtomic } from '../observe/atomic-file.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const SealedSecret = z.strictObject({
  name: z.string(),
  /** Base64. */
  value: z.string(),
  as: z.enum(['env', 'header']),
  hosts: z.array(z.string()),
  placeholder: z.string(),
  generation: z.int(),
});
export type SealedSecret = z.infer<typeof SealedSecret>;

export class SecretVault {
  readonly #directory: string;
  readonly #key: Buffer;

  private constructor(directory: string, key: Buffer) {
    this.#directory = directory;
    this.#key = key;
  }

  /** `<stateDir>/keys/secrets.key`, made the first time, and `<stateDir>/secrets/`. */
  static async open(stateDir: string): Promise<SecretVault> {
    const directory = join(stateDir, 'secrets');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const keyPath = join(stateDir, 'keys', 'secrets.key');
    let key: Buffer;
    try {
      key = await readFile(keyPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      key = randomBytes(KEY_BYTES);
      await mkdir(join(stateDir, 'keys'), { recursive: true, mode: 0o700 });
      await writeFileAtomic(keyPath, key);
    }
    if (key.length !== KEY_BYTES) throw new SandboxError('INTERNAL', `Cannot use ${keyPath}: it is not a key of ${KEY_BYTES} bytes`);
    return new SecretVault(directory, key);
  }

  async save(sandboxId: string, secrets: readonly SealedSecret[]): Promise<void> {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(sandboxId));
    const plain = Buffer.from(JSON.stringify(secrets));
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    plain.fill(0);
    await writeFileAtomic(this.#path(sandboxId), sealed);
  }

  /** Empty without a file; INTERNAL if it is not what was saved for this sandbox. */
  async load(sandboxId: string): Promise<SealedSecret[]> {
    let sealed: Buffer;
    try {
      sealed = await readFile(this.#path(sandboxId));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES));
      decipher.setAAD(Buffer.from(sandboxId));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      const secrets = z.array(SealedSecret).parse(JSON.parse(plain.toString('utf8')));
      plain.fill(0);
      return secrets;
    } catch {
      // The cause may quote what it could not read.
      throw new SandboxError('INTERNAL', `Cannot open the secrets of sandbox ${sandboxId}: the file or its key was changed`);
    }
  }

  async remove(sandboxId: string): Promise<void> {
    await rm(this.#path(sandboxId), { force: true });
  }

  /** Removes what belongs to no sandbox any more. */
  async retain(sandboxIds: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const [id = ''] = name.split('.');
      if (!sandboxIds.has(id)) await rm(join(this.#directory, name), { force: true });
    }
  }

  #path(sandboxId: string): string {
    return join(this.#directory, `${sandboxId}.sealed`);
  }
}
