// What connections and sessions tell each other, wired: for the daemon and for the daemon of tests.

import type { ConfirmRequest } from '../client/protocol/confirm.ts';
import type { EventEnvelope } from '../client/protocol/requests.ts';
import type { Config } from './config.ts';
import type { Connection } from './gateway/connection.ts';
import { previewKey } from './gateway/ports/preview-pass.ts';
import { PreviewServer, type PreviewServerOptions } from './gateway/ports/preview-server.ts';
import { splitAddress } from './listen-address.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import type { Auth } from './open-auth.ts';
import { trafficVisitor } from './open-compat.ts';
import type { ClientRegistry } from './session/client-registry.ts';
import type { Confirmations } from './session/confirmations.ts';
import type { SessionPool } from './session/pool.ts';
import type { Session } from './session/session.ts';

/** The connections there are, as sessions speak to them. */
export class Connected {
  readonly #connections: () => Iterable<Connection>;

  constructor(connections: () => Iterable<Connection>) {
    this.#connections = connections;
  }

  /** `clientId` null: there is nobody. */
  tell(clientId: string | null, event: EventEnvelope): void {
    this.#of(clientId)?.sendEvent(event);
  }

  /** The client that is asked; false: there is none. */
  ask(clientId: string | null, request: ConfirmRequest): string | false {
    const connection = this.#of(clientId);
    connection?.sendEvent({ event: 'confirm.request', request });
    return connection?.client?.id ?? false;
  }

  /** Tells everybody who had it open. */
  ended(session: Session, reason: string): void {
    const code = session.state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED';
    for (const connection of this.#connections())
      if (connection.roles.forget(session.id)) connection.sendEvent({ event: 'session.ended', sandbox: session.id, code, reason });
  }

  #of(clientId: string | null): Connection | undefined {
    return [...this.#connections()].find((connection) => connection.client?.id === (clientId ?? ''));
  }
}

interface Parts {
  readonly clients: ClientRegistry;
  readonly pool: SessionPool;
  readonly confirmations: Confirmations;
}

/** For a connection that is gone. */
export const disconnectedFrom =
  ({ clients, pool, confirmations }: Parts) =>
  ({ client, disconnect }: Pick<Connection, 'client' | 'disconnect'>): void => {
    if (client !== null && clients.disconnected(client.id, disconnect, () => pool.controllerGone(client.id)))
      pool.controllerLost(client.id);
    // Back on another connection or not: the question went with this one.
    if (client !== null) confirmations.disconnected(client.id);
  };

interface PreviewParts {
  readonly config: Pick<Config, 'ports' | 'compat'>;
  readonly auth: Pick<Auth, 'keys' | 'authenticator' | 'revoked'>;
  readonly pool: SessionPool;
  readonly elsewhere?: PreviewServerOptions['elsewhere'];
  readonly clock: Clock;
  readonly log: Log;
}

export function openPreviews({ config, auth, pool, elsewhere, clock, log }: PreviewParts): PreviewServer {
  const { ports } = config;
  return new PreviewServer({
    ...splitAddress(ports.listen),
    scheme: ports.scheme,
    domain: ports.domain,
    key: previewKey(auth.keys.current.privateKey),
    verify: (token) => auth.authenticator.verify(token),
    traffic: trafficVisitor({ config, auth, clock }),
    find: (sandbox, principal) => pool.find(sandbox, principal),
    elsewhere,
    clock,
    log,
  });
}
