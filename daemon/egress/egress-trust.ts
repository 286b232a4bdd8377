// Whom servers and sandboxes trust where TLS is opened: the authorities that vouch for servers, the daemon's own that
// vouches towards sandboxes, and the files by which tools inside come to know it.

import { link, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { writeFileAtomic } from '../observe/atomic-file.ts';
import type { Clock } from '../observe/clock.ts';
import { CertificateAuthority } from './certificate-authority.ts';
import type { Leaf } from './messages.ts';
import { TRUST_FILES } from './egress-env.ts';
import { javaTrustStore } from './java-trust-store.ts';

const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

export interface EgressTrustOptions {
  /** Key and certificate of the daemon's own authority. */
  readonly authorityPath: string;
  /** The run directories' parent, which sandboxes see read-only, nosuid and nodev. */
  readonly runDir: string;
  /** PEM of authorities that the operator adds; null: none. */
  readonly extraPath: string | null;
  readonly clock: Clock;
}

export class EgressTrust {
  readonly #options: EgressTrustOptions;
  #authority: Promise<CertificateAuthority> | null = null;
  #roots: Promise<string> | null = null;
  #files: Promise<void> | null = null;

  constructor(options: EgressTrustOptions) {
    this.#options = options;
  }

  /** PEM: the host's bundle, or Node's where it has none, and what the operator adds. */
  async roots(): Promise<string> {
    this.#roots ??= this.#readRoots();
    // What failed is tried again by whoever asks next.
    return this.#roots.catch((error: unknown) => {
      this.#roots = null;
      throw error;
    });
  }

  async leaf(host: string): Promise<Leaf> {
    return (await this.#open()).leaf(host);
  }

  /** Puts the files into a run directory. Links, because one copy for each sandbox would fill the memory they lie in. */
  async install(directory: string): Promise<void> {
    this.#files ??= this.#writeFiles();
    await this.#files.catch((error: unknown) => {
      this.#files = null;
      throw error;
    });
    for (const name of Object.values(TRUST_FILES)) {
      await rm(join(directory, name), { force: true });
      await link(this.#pathOf(name), join(directory, name));
    }
  }

  #open(): Promise<CertificateAuthority> {
    this.#authority ??= CertificateAuthority.open(this.#options.authorityPath, this.#options.clock);
    return this.#authority.catch((error: unknown) => {
      this.#authority = null;
      throw error;
    });
  }

  async #readRoots(): Promise<string> {
    const system = await readFile(SYSTEM_BUNDLE, 'utf8').catch(() => `${rootCertificates.join('\n')}\n`);
    const { extraPath } = this.#options;
    return extraPath === null ? system : `${system}${await readFile(extraPath, 'utf8')}`;
  }

  async #writeFiles(): Promise<void> {
    const { certificate } = await this.#open();
    const bundle = `${await this.roots()}\n${certificate}`;
    const write = (name: string, data: string | Uint8Array) => writeFileAtomic(this.#pathOf(name), data, { mode: 0o444 });
    await write(TRUST_FILES.authority, certificate);
    await write(TRUST_FILES.bundle, bundle);
    await write(TRUST_FILES.java, javaTrustStore(bundle));
  }

  /** No name of a run directory has a dot. */
  #pathOf(name: string): string {
    return join(this.#options.runDir, `.egress-${name}`);
  }
}
