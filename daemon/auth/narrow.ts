// A token made from another one: never more than the one it is made from. Pure.

import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import { Role } from '../../client/protocol/requests.ts';
import { matchesPattern, type Principal, SessionPattern, TokenCeilings } from './principal.ts';
import type { TokenRequest } from './token.ts';

const DEFAULT_TTL_MS = 12 * 3_600_000;
const MAX_TTL_MS = 366 * 24 * 3_600_000;

/** What is left out is as in the token it is made from. */
export const NarrowRequest = z.strictObject({
  tenant: TenantName.optional(),
  role: Role.optional(),
  session: SessionName.optional(),
  sessions: SessionPattern.optional(),
  readOnly: z.boolean().optional(),
  ceilings: TokenCeilings.optional(),
  ttlMs: z.int().min(1000).max(MAX_TTL_MS).optional(),
});
type NarrowRequest = z.infer<typeof NarrowRequest>;

const RANK: Readonly<Record<Role, number>> = { observer: 0, tenant: 1, operator: 2 };

export function narrow(holder: Principal, request: NarrowRequest, nowMs: number): TokenRequest {
  const refuse = (what: string): SandboxError => new SandboxError('FORBIDDEN', `Cannot create a token: ${what}`);
  const role = request.role ?? (holder.role === 'operator' && request.tenant !== undefined ? 'tenant' : holder.role);
  if (RANK[role] > RANK[holder.role]) throw refuse(`a token of role ${holder.role} makes none of role ${role}`);
  if (holder.role !== 'operator' && request.tenant !== undefined && request.tenant !== holder.tenant)
    throw refuse('it would be for another tenant');
  if (holder.isReadOnly && request.readOnly === false) throw refuse('this one is read-only');
  const session = request.session ?? holder.session;
  if (holder.session !== null && session !== holder.session) throw refuse('it would be for another session');
  const sessions = request.sessions ?? holder.sessions;
  if (!isWithin(sessions, holder.sessions)) throw refuse(`its sessions are not among ${holder.sessions}`);
  if (session !== null && !matchesPattern(holder.sessions, session)) throw refuse(`its session is not among ${holder.sessions}`);
  const left = holder.expiresAt - nowMs;
  if (request.ttlMs !== undefined && request.ttlMs > left) throw refuse('it would outlive this one');
  return {
    tenant: request.tenant ?? holder.tenant,
    role,
    session,
    sessions,
    isReadOnly: holder.isReadOnly || request.readOnly === true,
    ceilings: lowest(holder.ceilings, request.ceilings),
    parents: [...(holder.parents ?? []), holder.tokenId],
    ttlMs: Math.min(request.ttlMs ?? DEFAULT_TTL_MS, left),
  };
}

function isWithin(pattern: string | undefined, limit: string | undefined): boolean {
  if (limit === undefined) return true;
  if (pattern === undefined) return false;
  return pattern === limit || (limit.endsWith('*') && pattern.replace(/\*$/, '').startsWith(limit.slice(0, -1)));
}

function lowest(a: TokenCeilings | undefined, b: TokenCeilings | undefined): TokenCeilings | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])] as (keyof TokenCeilings)[];
  return Object.fromEntries(
    names.map((name) => [name, Math.min(a[name] ?? Number.POSITIVE_INFINITY, b[name] ?? Number.POSITIVE_INFINITY)]),
  );
}
