// The endpoint for E2B's clients, wired: a client of this daemon over its own unix socket. A part of the composition root.

import { Cloister } from '../client/index.ts';
import { accessKey, accessToken, readTrafficToken, trafficToken } from './compat/access-token.ts';
import { ApiKeys, tokenIdOf } from './compat/api-keys.ts';
import { Doorkeeper } from './compat/doorkeeper.ts';
import { Endpoint, type EndpointOptions } from './compat/endpoint.ts';
import { Lifetimes } from './compat/lifetimes.ts';
import { LiveSandboxes } from './compat/live-sandboxes.ts';
import { SandboxApi } from './compat/sandbox-api.ts';
import { SESSION_PREFIX, TenantClients } from './compat/tenant-clients.ts';
import type { Config } from './config.ts';
import type { ConfigInForce } from './config-in-force.ts';
import type { TrafficVisitor } from './gateway/ports/preview-visitor.ts';
import { splitAddress } from './listen-address.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import type { Auth } from './open-auth.ts';
import { apiSocketPathOf } from './state-dir.ts';

/** A connection of a visitor of a port is cut after that; he may come again. */
const VISIT_MS = 24 * 3_600_000;

interface CompatParts {
  readonly config: Config;
  readonly auth: Pick<Auth, 'keys' | 'revoked'>;
  readonly configuration: Pick<ConfigInForce, 'now' | 'profileOf'>;
  readonly audit: AuditLog;
  readonly previews: { readonly domain: string };
  readonly onRefused: EndpointOptions['onRefused'];
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedCompat {
  listen(): Promise<void>;
  close(): Promise<void>;
}

export function openCompat({ config, auth, configuration, audit, previews, onRefused, clock, log }: CompatParts): OpenedCompat {
  const { listen, templates, maxTimeoutMs, keepPausedMs } = config.compat.e2b;
  if (listen === undefined) return { listen: () => Promise.resolve(), close: () => Promise.resolve() };
  const url = `unix:${apiSocketPathOf(config.stateDir)}`;
  const secret = accessKey(auth.keys.current.privateKey);
  const keys = new ApiKeys(config.compat.e2b.keys);
  const clients = new TenantClients({
    connect: (token) => Cloister.connect({ url, token, disconnectGraceMs: 0 }),
    keys: auth.keys,
    audit,
    clock,
  });
  const sandboxes = new LiveSandboxes(clients);
  const lifetimes = new Lifetimes({ sandboxes, tenants: keys.tenants(), maxTimeoutMs, keepPausedMs, clock, log });
  const api = new SandboxApi({
    clients,
    sandboxes,
    lifetimes,
    templates,
    groundOf: (profile) => ({
      hasNetwork: configuration.profileOf(profile ?? configuration.now.defaults.profile)?.network === 'proxy',
      unnamed: config.compat.e2b.egress,
    }),
    accessToken: (key, sandbox) => accessToken(secret, key, sandbox),
    trafficToken: (key, sandbox) => trafficToken(secret, key, sandbox),
    domain: () => previews.domain,
  });
  const doorkeeper = new Doorkeeper({ keys, secret, revoked: auth.revoked, sandboxes, lifetimes, clock });
  const endpoint = new Endpoint({ ...splitAddress(listen), origins: config.origins, doorkeeper, api, sandboxes, onRefused, clock, log });
  return {
    listen: async () => {
      const at = await endpoint.listen();
      lifetimes.start();
      log.info({ at }, 'e2b endpoint ready');
    },
    close: async () => {
      lifetimes.stop();
      await endpoint.close();
      await clients.close();
    },
  };
}

/** Who comes to a port with the token that E2B's clients have for that. */
export function trafficVisitor({
  config,
  auth,
  clock,
}: Pick<CompatParts, 'auth' | 'clock'> & { readonly config: Pick<Config, 'compat'> }): TrafficVisitor | undefined {
  if (config.compat.e2b.listen === undefined) return undefined;
  const secret = accessKey(auth.keys.current.privateKey);
  const keys = new ApiKeys(config.compat.e2b.keys);
  return async (token, sandbox) => {
    const key = readTrafficToken(secret, token, sandbox, (name) => keys.named(name));
    if (key === null) return null;
    const principal = {
      tenant: key.tenant,
      role: 'tenant',
      session: null,
      sessions: `${SESSION_PREFIX}*`,
      isReadOnly: false,
      tokenId: tokenIdOf(key),
      expiresAt: clock.now() + VISIT_MS,
    } as const;
    await auth.revoked.assertHonoured(principal, clock.now());
    return principal;
  };
}
