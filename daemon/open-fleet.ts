// A member of a fleet, wired: the directory in Redis, what this member owns, the ways to the others. A part of the composition root; there
// is none of it where the configuration names no Redis.

import type { IncomingMessage } from 'node:http';
import type { Principal } from './auth/principal.ts';
import type { Config } from './config.ts';
import { Fleet } from './fleet/fleet.ts';
import { PlacementStore } from './fleet/placement-store.ts';
import { RedisLink } from './fleet/redis-link.ts';
import { Routing } from './fleet/routing.ts';
import type { Connection, Dispatch } from './gateway/connection.ts';
import type { HttpAnswer } from './gateway/http-answer.ts';
import { MEMBER_HEADER } from './gateway/member-header.ts';
import { OwnerHttp } from './gateway/owner-http.ts';
import { placedDispatch } from './gateway/placed-dispatch.ts';
import type { PreviewPlace } from './gateway/ports/preview-forward.ts';
import { RoutedSocket } from './gateway/routed-socket.ts';
import type { GatewayOptions } from './gateway/server.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { Connected } from './open-clients.ts';
import type { OpenedSessions } from './open-sessions.ts';
import { grantPolicy } from './policy/grant-policy.ts';
import { recordAnyway } from './session/record-anyway.ts';
import type { WorkspaceKeeper } from './workspace/workspace-keeper.ts';

interface FleetParts {
  readonly config: Pick<Config, 'cluster' | 'pool'>;
  readonly instanceId: string;
  readonly version: string;
  readonly sessions: Pick<OpenedSessions, 'pool' | 'configuration' | 'policySource'>;
  readonly workspaces: Pick<WorkspaceKeeper, 'list'>;
  readonly audit: AuditLog;
  readonly connections: () => Iterable<Connection>;
  readonly undo: (step: (onExit: 'keep' | 'close') => Promise<void> | void) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedFleet {
  /** Names by which the others call this member. */
  readonly origins: readonly string[];
  dispatch(inner: Dispatch): Dispatch;
  readonly routed: GatewayOptions['routed'];
  answer(request: IncomingMessage, principal: Principal | null, own: () => Promise<HttpAnswer>): Promise<HttpAnswer>;
  /** Where a preview of another member's sandbox is served; null: not elsewhere. */
  previewOf(sandbox: string): Promise<PreviewPlace | null>;
  /** This member can be reached from now on. */
  start(ownUrl: string, previewPort: number): Promise<void>;
}

const ALONE: OpenedFleet = {
  origins: [],
  dispatch: (inner) => inner,
  routed: undefined,
  answer: (_request, _principal, own) => own(),
  previewOf: async () => null,
  start: async () => undefined,
};

export function openFleet(parts: FleetParts): OpenedFleet {
  const { config, instanceId: self, version, sessions, workspaces, audit, undo, clock, log } = parts;
  const { pool, configuration, policySource } = sessions;
  const { redisUrl, advertiseUrl, leaseMs, graceMs } = config.cluster;
  if (redisUrl === undefined) return ALONE;
  const link = new RedisLink({ url: redisUrl, log });
  const store = new PlacementStore({ run: (script, args) => link.run(script, args), self, leaseMs, graceMs });
  const connected = new Connected(parts.connections);
  const fleet = new Fleet({
    store,
    self: { id: self, version, maxSessions: config.pool.maxSessions },
    sessions: () => pool.sessions(),
    keptWorkspaces: () =>
      workspaces
        .list()
        .flatMap(({ tenant, name, retain, trashedAt }) =>
          tenant === null || name === null || retain === 'delete' || trashedAt !== undefined ? [] : [`${tenant}/${name}`],
        ),
    ceiling: () => configuration.now.ceilings.perTenant,
    fence: async (session) => {
      connected.tell(session.controller, { event: 'session.leaseLost', sandbox: session.id });
      session.controller = null;
      await pool.close(session, 'another member of the fleet took its session over');
    },
    record: (entry) => recordAnyway({ audit, log }, entry),
    leaseMs,
    clock,
    log,
  });
  const routing = new Routing({ store, fleet, memberMs: leaseMs / 3, clock });
  const isHere = (sandbox: string): boolean => pool.sessionOf(sandbox) !== undefined;
  const http = new OwnerHttp({ routing, self, isHere, log });
  let url = advertiseUrl ?? '';
  link.start();
  undo(() => link.close());
  undo((onExit) => fleet.stop(onExit === 'close'));
  undo(
    audit.onAppend(({ kind, tenant, session }) => {
      if (kind === 'sandbox.close' && typeof tenant === 'string' && typeof session === 'string') fleet.ended(tenant, session);
    }),
  );
  return {
    origins: advertiseUrl === undefined ? [] : [new URL(advertiseUrl).origin],
    dispatch: (inner) => {
      const limitsOf: Parameters<typeof placedDispatch>[1]['limitsOf'] = (request) => grantPolicy(request, policySource()).limits;
      return placedDispatch(inner, { fleet, limitsOf, ownUrl: () => url, tenantOfSandbox: (sandbox) => pool.sessionOf(sandbox)?.tenant });
    },
    // What another member has passed on already goes no further.
    routed: (accepted, { request, token, principal }) =>
      request.headers[MEMBER_HEADER] === undefined
        ? new RoutedSocket({ socket: accepted, token, principal, self, routing, isHere, clock, log })
        : accepted,
    answer: (request, principal, own) => http.answer(request, principal !== null, own),
    previewOf: async (sandbox) => {
      const member = isHere(sandbox) ? null : await routing.ownerOf(sandbox);
      return member === null ? null : { host: new URL(member.url).hostname.replace(/^\[|\]$/g, ''), port: member.previewPort };
    },
    start: async (ownUrl, previewPort) => {
      url = advertiseUrl ?? ownUrl;
      await fleet.start(url, previewPort);
      undo(() => fleet.drain());
    },
  };
}
