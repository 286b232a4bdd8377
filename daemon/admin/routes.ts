// Plain HTTP: liveness, readiness and the list of sandboxes. Read-only.

import type { IncomingMessage } from 'node:http';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { Principal } from '../auth/principal.ts';
import type { SessionPool } from '../session/pool.ts';

export interface RoutesOptions {
  readonly pool: SessionPool;
  /** Empty: ready; otherwise what is not. */
  readonly notReady: () => Promise<readonly string[]>;
  readonly version: string;
}

export interface RouteAnswer {
  readonly status: number;
  readonly body: unknown;
}

export class Routes {
  readonly #options: RoutesOptions;

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage, principal: Principal | null): Promise<RouteAnswer> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new SandboxError('INVALID_REQUEST', `Cannot ${request.method ?? 'call'} ${path}: only GET is served here`);
    }
    if (path === '/healthz') return { status: 200, body: { status: 'live', version: this.#options.version } };
    if (principal === null) throw new SandboxError('UNAUTHENTICATED', `Cannot read ${path}: no token was sent`);
    if (path === '/readyz') {
      const problems = [...(this.#options.pool.isAccepting ? [] : ['the daemon is stopping']), ...(await this.#options.notReady())];
      return { status: problems.length === 0 ? 200 : 503, body: { status: problems.length === 0 ? 'ready' : 'notReady', problems } };
    }
    if (path === '/v1/sandboxes')
      return { status: 200, body: { sandboxes: this.#options.pool.list({}, principal).map((session) => session.info()) } };
    const id = SandboxId.safeParse(path.startsWith('/v1/sandboxes/') ? path.slice('/v1/sandboxes/'.length) : '');
    if (id.success) return { status: 200, body: this.#options.pool.find(id.data, principal).info() };
    throw new SandboxError('NOT_FOUND', `Cannot find ${path}: there is no such route`);
  }
}
