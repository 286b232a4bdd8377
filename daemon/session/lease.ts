// The lease: one controller per session, fenced. Decisions only; the pool carries them out.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { OpenRequest } from '../../client/protocol/session.ts';
import { restrictEgress } from '../policy/egress-permissions.ts';
import { grantEgress, isSameEgress } from '../policy/egress-policy.ts';
import { isSameRequest } from '../policy/permission-policy.ts';
import type { Session } from './session.ts';

/** Gives the lease to the client if it may have it; returns the clientId that lost it, or null. */
export function takeLease(session: Session, request: OpenRequest, clientId: string): string | null {
  if (request.role !== 'controller') return null;
  const holder = session.controller;
  if (holder !== null && holder !== clientId && !request.takeover) {
    throw new SandboxError('SESSION_BUSY', `Cannot control session ${session.session}: another connection holds it`);
  }
  session.controller = clientId;
  session.controllerLostAtMs = null;
  return holder !== null && holder !== clientId ? holder : null;
}

/** What a request states must be what the open session has; what it leaves out may be anything. */
export function assertSamePolicy(session: Session, request: OpenRequest): void {
  const { policy } = session;
  const differing: string[] = [];
  if (request.profile !== undefined && request.profile !== policy.profileName) differing.push('profile');
  if (request.image !== undefined && request.image !== policy.imageName) differing.push('image');
  if (request.runtime !== undefined && request.runtime !== policy.runtime) differing.push('runtime');
  const { workspace } = request;
  if (workspace?.retain !== undefined && workspace.retain !== session.retain) differing.push('workspace.retain');
  if (workspace?.hostPath !== undefined && workspace.hostPath !== session.hostPath) differing.push('workspace.hostPath');
  if (workspace?.maxBytes !== undefined && workspace.maxBytes !== policy.limits.diskBytes) differing.push('workspace.maxBytes');
  if (request.idleMs !== undefined && request.idleMs !== policy.idleMs) differing.push('idleMs');
  if (request.ttlMs !== undefined && request.ttlMs !== policy.ttlMs) differing.push('ttlMs');
  if (Object.entries(request.env ?? {}).some(([name, value]) => session.env[name] !== value)) differing.push('env');
  if (request.workspace?.name !== undefined && request.workspace.name !== session.workspaceName) differing.push('workspace.name');
  for (const [key, value] of Object.entries(request.limits ?? {})) {
    if (value !== undefined && value !== policy.limits[key as keyof typeof policy.limits]) differing.push(`limits.${key}`);
  }
  const profile = { name: policy.profileName, profile: policy.profile };
  const doing = `join session ${session.session}`;
  const egress =
    request.egress === undefined ? policy.egress : restrictEgress(grantEgress(request.egress, profile, doing), policy.permissions, doing);
  if (!isSameEgress(egress, policy.egress)) differing.push('egress');
  if (request.permissions !== undefined && !isSameRequest(request.permissions, policy.permissions)) differing.push('permissions');
  if (differing.length === 0) return;
  throw new SandboxError('POLICY_INVALID', `Cannot join session ${session.session}: it is open with another ${differing.join(', ')}`, {
    hint: 'Leave these out to join it as it is, or close it first.',
  });
}
