// Plain HTTP: which routes there are and how a request finds its own. What each does is in a file of its own.

import type { IncomingMessage } from 'node:http';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { Principal } from '../auth/principal.ts';
import type { SessionPool } from '../session/pool.ts';
import type { ConsoleFiles } from './console-files.ts';
import { matchPath, readBody, type Route, type RouteAnswer } from './route.ts';

export interface RoutesOptions {
  readonly pool: SessionPool;
  /** Empty: ready; otherwise what is not. */
  readonly notReady: () => Promise<readonly string[]>;
  readonly version: string;
  readonly console?: ConsoleFiles | undefined;
  /** Those of other parts: audit, tokens. */
  readonly more?: readonly Route[];
}

export class Routes {
  /** All but liveness and the console's own files, which need no token. */
  readonly table: readonly Route[];
  readonly #version: string;
  readonly #console: ConsoleFiles | undefined;

  constructor(options: RoutesOptions) {
    this.#version = options.version;
    this.#console = options.console;
    this.table = [...ownRoutes(options), ...(options.more ?? [])];
  }

  async answer(request: IncomingMessage, principal: Principal | null): Promise<RouteAnswer> {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    if (path === '/healthz' && method === 'GET') return { status: 200, body: { status: 'live', version: this.#version } };
    const file = method === 'GET' ? this.#console?.answer(path, request.headers['if-none-match']) : undefined;
    if (file) return file;
    if (principal === null)
      throw new SandboxError('UNAUTHENTICATED', `Cannot ${method === 'GET' ? 'read' : 'use'} ${path}: no token was sent`);
    const found = this.table.map((route) => ({ route, id: matchPath(route, path) })).filter(({ id }) => id !== null);
    const chosen = found.find(({ route }) => route.method === method);
    if (chosen === undefined) {
      if (found.length === 0) throw new SandboxError('NOT_FOUND', `Cannot find ${path}: there is no such route`);
      const methods = found.map(({ route }) => route.method).join(' and ');
      throw new SandboxError('INVALID_REQUEST', `Cannot ${request.method ?? 'call'} ${path}: only ${methods} is served here`);
    }
    return await chosen.route.handle({
      principal,
      id: chosen.id ?? '',
      query: new URLSearchParams(query),
      body: (schema) => readBody(request, schema),
    });
  }
}

function ownRoutes({ pool, notReady }: RoutesOptions): Route[] {
  return [
    {
      method: 'GET',
      path: '/readyz',
      handle: async () => {
        const problems = [...(pool.isAccepting ? [] : ['the daemon is stopping']), ...(await notReady())];
        return { status: problems.length === 0 ? 200 : 503, body: { status: problems.length === 0 ? 'ready' : 'notReady', problems } };
      },
    },
    {
      method: 'GET',
      path: '/v1/sandboxes',
      handle: ({ principal }) => ({ status: 200, body: { sandboxes: pool.list({}, principal).map((session) => session.info()) } }),
    },
    {
      method: 'GET',
      path: '/v1/sandboxes/:id',
      handle: ({ principal, id }) => {
        const parsed = SandboxId.safeParse(id);
        if (!parsed.success) throw new SandboxError('NOT_FOUND', `Cannot find sandbox ${JSON.stringify(id)}: there is no such route`);
        return { status: 200, body: pool.find(parsed.data, principal).info() };
      },
    },
  ];
}
