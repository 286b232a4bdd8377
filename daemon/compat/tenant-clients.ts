// Clients of this daemon, two per tenant that has an API key: each with a token of that tenant, good for sessions of this endpoint
// alone. So what a key can do is what the daemon lets such a token do, and nothing of it is decided here.

import { type Cloister, ClientError, SandboxError } from '../../client/index.ts';
import { SessionName, type TenantName } from '../../client/protocol/names.ts';
import type { KeyRing } from '../auth/key-ring.ts';
import { mintToken } from '../auth/token.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';

/** What sessions made here are called, so that a token can be made for them. */
export const SESSION_PREFIX = 'e2b-';
/** The token never leaves the process; it is made again when it has expired. */
const TOKEN_MS = 366 * 24 * 3_600_000;

/** `watch`: reads output of commands beside the one that started them, whose stdin an attach of the same client would take over. */
export type ClientUse = 'work' | 'watch';

export interface TenantClientsOptions {
  readonly connect: (token: string) => Promise<Cloister>;
  readonly keys: KeyRing;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
}

export class TenantClients {
  readonly #options: TenantClientsOptions;
  /** At most two per tenant of the configured keys. */
  readonly #clients = new Map<string, Promise<Cloister>>();
  #isClosed = false;

  constructor(options: TenantClientsOptions) {
    this.#options = options;
  }

  /** A client that has given up is replaced at the next call. */
  async use<T>(tenant: TenantName, work: (client: Cloister) => Promise<T>, use: ClientUse = 'work'): Promise<T> {
    if (this.#isClosed) throw new SandboxError('SHUTTING_DOWN', 'Cannot take this call: the daemon is stopping');
    const name = `${use} ${tenant}`;
    const opening = this.#clients.get(name) ?? this.#open(tenant);
    this.#clients.set(name, opening);
    try {
      return await work(await opening);
    } catch (error) {
      if (hasGivenUp(error) && this.#clients.get(name) === opening) {
        this.#clients.delete(name);
        void opening.then((client) => client.close()).catch(() => undefined);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    await Promise.all(clients.map((opening) => opening.then((client) => client.close()).catch(() => undefined)));
  }

  async #open(tenant: TenantName): Promise<Cloister> {
    const { connect, keys, audit, clock } = this.#options;
    const request = { tenant, role: 'tenant', session: null, sessions: `${SESSION_PREFIX}*`, isReadOnly: false, ttlMs: TOKEN_MS } as const;
    const { token, principal } = await mintToken(keys, request, clock.now());
    audit.append({
      kind: 'token.create',
      by: 'compat.e2b',
      tokenId: principal.tokenId,
      tenant,
      role: principal.role,
      sessions: principal.sessions,
      expiresAt: new Date(principal.expiresAt).toISOString(),
    });
    return await connect(token);
  }
}

export const newSessionName = (random: string): SessionName => SessionName.parse(`${SESSION_PREFIX}${random}`);

/** Its connection is gone for good. */
export const hasGivenUp = (error: unknown): boolean =>
  (ClientError.is(error) && ['CONNECT_FAILED', 'CONNECTION_LOST', 'CLOSED'].includes(error.code)) ||
  SandboxError.is(error, 'UNAUTHENTICATED');
