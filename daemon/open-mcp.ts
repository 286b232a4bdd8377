// MCP over HTTP, wired: a client of this daemon over its own unix socket. A part of the composition root.

import type { IncomingMessage } from 'node:http';
import { Cloister } from '../client/index.ts';
import type { Principal } from './auth/principal.ts';
import type { Config } from './config.ts';
import { bearerOf } from './gateway/bearer.ts';
import type { WebAnswer } from './gateway/web-answer.ts';
import { McpEndpoint } from './mcp/endpoint.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { apiSocketPathOf } from './state-dir.ts';

/** One tenant's part of the places. */
const TENANTS_PART = 5;

interface McpParts {
  readonly config: Pick<Config, 'mcp' | 'stateDir'>;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedMcp {
  /** null: the request is for somebody else. */
  answer(request: IncomingMessage, principal: Principal | null): Promise<WebAnswer> | null;
  close(): Promise<void>;
}

export function openMcp({ config, version, clock, log }: McpParts): OpenedMcp {
  const { maxSessions, idleMs } = config.mcp;
  const url = `unix:${apiSocketPathOf(config.stateDir)}`;
  const endpoint = new McpEndpoint({
    connect: (token, onConfirm) => Cloister.connect({ url, token, disconnectGraceMs: 0, onConfirm }),
    maxSessions,
    maxOfTenant: Math.ceil(maxSessions / TENANTS_PART),
    idleMs,
    version,
    clock,
    log,
  });
  return {
    answer: (request, principal) =>
      /^\/mcp(\?|$)/.test(request.url ?? '')
        ? endpoint.answer(request, bearerOf(request.headers.authorization), principal).then((web) => ({ web }))
        : null,
    close: () => endpoint.close(),
  };
}
