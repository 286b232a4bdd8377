// From the text of a token to who acts: our own tokens and those of the issuers of the configuration, unless revoked.

import type { ExternalIssuers } from './external-issuers.ts';
import type { KeyRing } from './key-ring.ts';
import type { Principal } from './principal.ts';
import type { RevocationList } from './revocation.ts';
import { verifyToken } from './token.ts';

export interface AuthenticatorOptions {
  readonly keys: KeyRing;
  readonly issuers: ExternalIssuers;
  readonly revoked: RevocationList;
  readonly now: () => number;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Throws UNAUTHENTICATED. */
  async verify(token: string): Promise<Principal> {
    const { keys, issuers, revoked, now } = this.#options;
    const issuer = issuers.claims(token);
    const principal = issuer === null ? await verifyToken(keys, token, now()) : await issuers.verify(issuer, token, now());
    await revoked.assertHonoured(principal, now());
    return principal;
  }
}
