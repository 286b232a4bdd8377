// May this principal do this? Pure decisions; another tenant's things do not exist for anyone but an operator.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Operation } from '../../client/protocol/requests.ts';
import type { SessionRole } from '../../client/protocol/session.ts';
import type { Limits } from '../../client/protocol/limits.ts';
import { matchesPattern, type Principal } from './principal.ts';

const OBSERVING: ReadonlySet<Operation> = new Set<Operation>(['hello', 'open', 'list', 'exec.list', 'exec.attach']);
const READING: ReadonlySet<Operation> = new Set<Operation>([
  ...OBSERVING,
  'files.read',
  'files.list',
  'files.glob',
  'files.grep',
  'files.watch',
  'files.stat',
  'files.readlink',
  'files.view',
  'egress.explain',
  'egress.proposal',
  'policy.explain',
  'permissions.get',
  'permissions.explain',
  'confirm.list',
  'config.get',
  'files.download',
  'workspace.usage',
  'workspace.snapshots',
  'workspace.diff',
  'image.list',
]);

/** What concerns every tenant. */
const OPERATING: ReadonlySet<Operation> = new Set<Operation>([
  'config.get',
  'config.reload',
  'config.revert',
  'image.add',
  'image.list',
  'image.remove',
]);

/** Throws FORBIDDEN when the role can never do this, whatever it is done to. */
export function assertMayCall(principal: Principal, operation: Operation): void {
  if (OPERATING.has(operation) && principal.role !== 'operator')
    throw new SandboxError('FORBIDDEN', `Cannot call ${operation}: only operators may`, { hint: 'Use a token of role operator.' });
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
  if (!matchesPattern(principal.sessions, session)) return false;
  return principal.role === 'operator' || principal.tenant === tenant;
}

/** May this record of the audit log be read? What belongs to no tenant is an operator's to read. */
export function maySeeRecord(
  principal: Principal,
  record: { readonly tenant?: string | null | undefined; readonly session?: string | null | undefined },
): boolean {
  if (principal.session !== null && principal.session !== record.session) return false;
  if (principal.sessions !== undefined && !matchesPattern(principal.sessions, record.session ?? '')) return false;
  return principal.role === 'operator' || (record.tenant !== null && record.tenant !== undefined && record.tenant === principal.tenant);
}

/** Throws QUOTA_EXCEEDED if a sandbox with these limits is more than the token may be used for. `live`: those it sees already. */
export function assertWithinCeilings(principal: Principal, limits: Limits, live: number): void {
  const { sandboxes, ...each } = principal.ceilings ?? {};
  const refuse = (what: string): SandboxError =>
    new SandboxError('QUOTA_EXCEEDED', `Cannot open a sandbox: ${what} by the token's own ceilings`, {
      retry: 'never',
      hint: 'Ask for less, or use another token.',
    });
  if (sandboxes !== undefined && live >= sandboxes) throw refuse(`${sandboxes} at once are allowed`);
  for (const [name, ceiling] of Object.entries(each)) {
    const wanted = limits[name as keyof Limits];
    if (ceiling !== undefined && (wanted === undefined || wanted > ceiling)) throw refuse(`${name} of at most ${ceiling} is allowed`);
  }
}
