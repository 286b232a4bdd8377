// Who gets in, wired: keys, external issuers, revocation. A part of the composition root.

import { join } from 'node:path';
import { Authenticator } from './auth/authenticator.ts';
import { ExternalIssuers } from './auth/external-issuers.ts';
import { KeyRing } from './auth/key-ring.ts';
import type { Principal } from './auth/principal.ts';
import { RevocationList } from './auth/revocation.ts';
import { CLOSE_CODE } from '../client/protocol/frames.ts';
import type { Config } from './config.ts';
import type { Clock } from './observe/clock.ts';
import { keyPathOf, revokedPathOf } from './state-dir.ts';

interface Closable {
  readonly principal: Principal;
  close(code: number, reason: string): void;
}

export interface Auth {
  readonly keys: KeyRing;
  readonly revoked: RevocationList;
  readonly authenticator: Authenticator;
  /** Connections whose token was revoked end like those whose token has expired. */
  closeRevoked(connections: Iterable<Closable>): void;
}

export const tokenKeyPathOf = ({ auth, stateDir }: Pick<Config, 'auth' | 'stateDir'>): string =>
  auth.keys === undefined ? keyPathOf(stateDir) : join(auth.keys, 'token-ed25519.pem');

export async function openAuth(config: Config, stateDir: string, clock: Clock): Promise<Auth> {
  const keys = await KeyRing.open(tokenKeyPathOf(config));
  const revoked = new RevocationList(revokedPathOf(stateDir));
  const authenticator = new Authenticator({ keys, revoked, issuers: new ExternalIssuers(config.auth.jwks), now: () => clock.now() });
  return {
    keys,
    revoked,
    authenticator,
    closeRevoked: (connections) => {
      for (const connection of connections)
        if (revoked.isRevoked(connection.principal)) connection.close(CLOSE_CODE.tokenExpired, 'the token was revoked');
    },
  };
}
