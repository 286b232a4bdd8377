// API keys: which tenant a key speaks for. Only their SHA-256 is known here, so the configuration holds nothing that lets someone
// in. Owns the comparison; what a key may do is the tenant token's business.

import { createHash, timingSafeEqual } from 'node:crypto';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { TenantName } from '../../client/protocol/names.ts';

/** The form that E2B's clients insist on. */
const API_KEY = /^e2b_[0-9a-f]{32,128}$/i;

export interface ApiKey {
  /** What records and revocations call it. */
  readonly name: string;
  /** Hex, of the whole key with its `e2b_`. */
  readonly sha256: string;
  readonly tenant: TenantName;
}

/** Its id in the list of revoked tokens: `cloister token revoke e2b.NAME`. */
export const tokenIdOf = ({ name }: Pick<ApiKey, 'name'>): string => `e2b.${name}`;

export class ApiKeys {
  readonly #keys: readonly { readonly key: ApiKey; readonly digest: Buffer }[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys.map((key) => ({ key, digest: Buffer.from(key.sha256, 'hex') }));
  }

  /** Throws UNAUTHENTICATED. Every key is compared, each in constant time. */
  identify(text: string | undefined): ApiKey {
    const digest = createHash('sha256')
      .update(text ?? '')
      .digest();
    let found: ApiKey | undefined;
    for (const { key, digest: own } of this.#keys) if (timingSafeEqual(own, digest)) found = key;
    if (found === undefined || !API_KEY.test(text ?? ''))
      throw new SandboxError(
        'UNAUTHENTICATED',
        `Cannot authenticate: ${text === undefined ? 'no API key was sent' : 'the API key is not known here'}`,
        {
          hint: 'Set E2B_API_KEY to a key whose SHA-256 is in compat.e2b.keys.',
        },
      );
    return found;
  }

  named(name: string): ApiKey | undefined {
    return this.#keys.find(({ key }) => key.name === name)?.key;
  }

  tenants(): readonly TenantName[] {
    return [...new Set(this.#keys.map(({ key }) => key.tenant))];
  }

  ofTenant(tenant: TenantName): readonly ApiKey[] {
    return this.#keys.flatMap(({ key }) => (key.tenant === tenant ? [key] : []));
  }
}
