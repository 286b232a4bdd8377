// What a session's sandbox has to be: from the request, the granted policy and the pool's defaults. Pure.

import type { SandboxId, TenantName } from '../../client/protocol/names.ts';
import type { OpenRequest } from '../../client/protocol/session.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import type { SandboxOrder } from './running-sandbox.ts';
import type { Session } from './session.ts';

export interface OrderSource {
  readonly request: OpenRequest;
  readonly tenant: TenantName;
  readonly policy: GrantedPolicy;
  /** Of a session that asks for none, in milliseconds; null: no end. */
  readonly ttlMs: number | null;
  readonly nowMs: number;
}

export function orderOf({ request, tenant, policy, ttlMs: defaultTtlMs, nowMs }: OrderSource): Omit<SandboxOrder, 'id'> {
  const ttlMs = request.ttlMs ?? policy.ttlMs ?? defaultTtlMs;
  return {
    tenant,
    session: request.session,
    workspaceName: request.workspace?.name ?? request.session,
    hostPath: request.workspace?.hostPath,
    policy,
    labels: request.labels ?? {},
    env: request.env ?? {},
    retain: request.workspace?.retain ?? 'keep',
    createdAtMs: nowMs,
    expiresAtMs: ttlMs === null ? null : nowMs + ttlMs,
    idleMs: policy.idleMs,
  };
}

/** The same sandbox once more, as the session is now. */
export function orderAgain(session: Session): SandboxOrder {
  const { id, tenant, workspaceName, hostPath, policy, labels, env, retain, createdAtMs, expiresAtMs, idleMs } = session;
  return { id, tenant, session: session.session, workspaceName, hostPath, policy, labels, env, retain, createdAtMs, expiresAtMs, idleMs };
}

export const withId = (order: Omit<SandboxOrder, 'id'>, id: SandboxId): SandboxOrder => ({ ...order, id });
