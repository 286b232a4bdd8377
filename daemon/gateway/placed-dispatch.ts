// Before a session is opened here, it is made this member's in the whole fleet; what another member took over is served no more. Owns the
// place of that in a call; the directory is daemon/fleet's.

import type { ParsedParams, Result } from '../../client/protocol/requests.ts';
import type { OpenRequest } from '../../client/protocol/session.ts';
import { assertMayOpenAs, maySee, tenantOf } from '../auth/access.ts';
import type { Principal } from '../auth/principal.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { PlacedSession } from '../fleet/placement-store.ts';
import type { Dispatch } from './connection.ts';

export interface PlacedDispatchOptions {
  readonly fleet: Fleet;
  /** What a session would be granted; throws what its opening would. */
  readonly limitsOf: (request: OpenRequest) => PlacedSession['limits'];
  /** Where clients that can reach it find this member. */
  readonly ownUrl: () => string;
  readonly tenantOfSandbox: (sandbox: string) => string | undefined;
}

export function placedDispatch(dispatch: Dispatch, options: PlacedDispatchOptions): Dispatch {
  const { fleet, tenantOfSandbox, ownUrl } = options;
  return async (connection, operation, params) => {
    const sandbox = sandboxOf(params);
    if (sandbox !== undefined && operation !== 'open') fleet.assertServed(sandbox);
    if (operation === 'open') {
      // Safe because: the connection has parsed the parameters with this very operation's schema.
      const asked = placeOf(params as ParsedParams<'open'>, connection.principal, options);
      try {
        if (asked !== null) await fleet.admit(asked.placed, asked.isFresh);
        return { ...((await dispatch(connection, operation, params)) as Result<'open'>), owner: { url: ownUrl() } };
      } finally {
        if (asked !== null) await fleet.settled(asked.placed);
      }
    }
    const result = await dispatch(connection, operation, params);
    const tenant = sandbox === undefined ? undefined : tenantOfSandbox(sandbox);
    // Known to all before anyone can ask for it. Where Redis is away it is told later.
    if (operation === 'workspace.fork' && tenant !== undefined)
      await fleet.bind([`${tenant}/${(result as Result<'workspace.fork'>).workspace}`]).catch(() => undefined);
    return result;
  };
}

/** null: it makes no session. What is wrong with it is said by whoever opens it. */
function placeOf(
  params: ParsedParams<'open'>,
  principal: Principal,
  { fleet, limitsOf }: PlacedDispatchOptions,
): { readonly placed: PlacedSession; readonly isFresh: boolean } | null {
  const { session, workspace, role } = params;
  try {
    assertMayOpenAs(principal, role);
    const tenant = tenantOf(principal, params.tenant);
    const live = fleet.sessionNamed(tenant, session);
    const makesNone = role !== 'controller' || params.sandbox !== undefined;
    if (!maySee(principal, tenant, session) || (live === undefined && makesNone)) return null;
    const limits = live?.policy.limits ?? limitsOf(params);
    const placed = { tenant, session, workspace: workspace?.name ?? session, isKept: (workspace?.retain ?? 'keep') === 'keep', limits };
    return { placed, isFresh: params.onOwnerLoss === 'fresh' };
  } catch {
    return null;
  }
}

function sandboxOf(params: unknown): string | undefined {
  const sandbox = typeof params === 'object' && params !== null && 'sandbox' in params ? params.sandbox : undefined;
  return typeof sandbox === 'string' ? sandbox : undefined;
}
