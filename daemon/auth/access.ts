// May this principal do this? Pure decisions; another tenant's things do not exist for anyone but an operator.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Operation } from '../../client/protocol/requests.ts';
import type { SessionRole } from '../../client/protocol/session.ts';
import type { Principal } from './principal.ts';

const OBSERVING: ReadonlySet<Operation> = new Set<Operation>(['hello', 'open', 'list', 'exec.list', 'exec.attach']);
const READING: ReadonlySet<Operation> = new Set<Operation>([
  ...OBSERVING,
  'files.read',
  'files.list',
  'files.stat',
  'files.readlink',
  'egress.explain',
]);

/** Throws FORBIDDEN when the role can never do this, whatever it is done to. */
export function assertMayCall(principal: Principal, operation: Operation): void {
  const allowed = principal.role === 'observer' ? OBSERVING.has(operation) : !principal.isReadOnly || READING.has(operation);
  if (!allowed)
    throw new SandboxError(
      'FORBIDDEN',
      `Cannot call ${operation}: the token is ${principal.role === 'observer' ? "an observer's" : 'read-only'}`,
    );
}

/** Whoever may only watch or read joins what others have made: it takes no lease and makes no session. */
export function assertMayOpenAs(principal: Principal, role: SessionRole): void {
  const isAllowed = principal.role === 'observer' ? role === 'observer' : !principal.isReadOnly || role !== 'controller';
  if (isAllowed) return;
  throw new SandboxError(
    'FORBIDDEN',
    `Cannot open as ${role}: the token is ${principal.role === 'observer' ? "an observer's" : 'read-only'}`,
    {
      hint: `Pass role: '${principal.role === 'observer' ? 'observer' : 'participant'}'.`,
    },
  );
}

/** The tenant a call is for; a tenant named by anyone but an operator must be the token's own. */
export function tenantOf(principal: Principal, asked: TenantName | undefined): TenantName {
  if (principal.role === 'operator') {
    const tenant = asked ?? principal.tenant;
    if (tenant === null)
      throw new SandboxError('INVALID_REQUEST', 'Cannot choose a tenant: the operator token names none', { hint: 'Pass tenant.' });
    return tenant;
  }
  if (asked !== undefined && asked !== principal.tenant)
    throw new SandboxError('FORBIDDEN', 'Cannot act for another tenant: only operators may');
  if (principal.tenant === null) throw new SandboxError('UNAUTHENTICATED', 'Cannot authenticate: the token names no tenant');
  return principal.tenant;
}

/** Is this session visible at all? */
export function maySee(principal: Principal, tenant: TenantName, session: SessionName): boolean {
  if (principal.session !== null && principal.session !== session) return false;
  return principal.role === 'operator' || principal.tenant === tenant;
}
