// What a session may have: the pure decision between a request, its profile and the configuration.
// Touches nothing; the session pool carries the grant out, the receipt proves it.

import { createHash } from 'node:crypto';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Limits, LimitsRequest } from '../../client/protocol/limits.ts';
import type { OpenRequest } from '../../client/protocol/session.ts';
import { type GrantedEgress, grantEgress } from './egress-policy.ts';
import { type GrantedPermissions, grantPermissions, type PermissionSource } from './permission-policy.ts';
import { restrictEgress } from './egress-permissions.ts';
import { BUILT_IN_PROFILES, type Profile } from './profiles.ts';

export interface PolicySource {
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly images: Readonly<Record<string, string>>;
  readonly runtimes: readonly string[];
  readonly defaults: {
    readonly profile: string;
    readonly image: string;
    readonly runtime: string;
    readonly limits: Limits;
    readonly idleMs: number;
    readonly ttlMs: number | null;
  };
  /** Sessions may name directories of the host, below the configured roots. */
  readonly hasHostRoots?: boolean | undefined;
  /** Largest limits that one sandbox may ask for. */
  readonly maxima: LimitsRequest;
  readonly permissions: PermissionSource;
}

export interface GrantedPolicy {
  readonly profileName: string;
  readonly profile: Profile;
  readonly imageName: string;
  readonly imageReference: string;
  readonly runtime: string;
  readonly limits: Limits;
  readonly idleMs: number;
  readonly ttlMs: number | null;
  readonly egress: GrantedEgress;
  readonly permissions: GrantedPermissions;
  /** Hash over all of the above: equal hashes mean equal policy. */
  readonly sha256: string;
}

/** Throws SandboxError PROFILE_UNKNOWN, IMAGE_NOT_ALLOWED, POLICY_INVALID or QUOTA_EXCEEDED; never grants less or more than asked. */
export function grantPolicy(request: OpenRequest, source: PolicySource): GrantedPolicy {
  const profileName = request.profile ?? source.defaults.profile;
  const profile = own(BUILT_IN_PROFILES, profileName) ?? own(source.profiles, profileName);
  if (profile === undefined)
    throw new SandboxError('PROFILE_UNKNOWN', `Cannot open session ${request.session}: profile ${profileName} is unknown`);

  const imageName = request.image ?? source.defaults.image;
  const imageReference = own(source.images, imageName);
  if (imageReference === undefined)
    throw new SandboxError('IMAGE_NOT_ALLOWED', `Cannot open session ${request.session}: image ${imageName} is not in images.allow`);

  const runtime = request.runtime ?? source.defaults.runtime;
  if (!source.runtimes.includes(runtime)) {
    throw new SandboxError('POLICY_INVALID', `Cannot open session ${request.session}: runtime ${runtime} is not offered here`, {
      hint: `Use one of: ${source.runtimes.join(', ')}.`,
    });
  }
  refuseHostPath(request, source.hasHostRoots);
  const doing = `open session ${request.session}`;
  const permissions = grantPermissions(request.permissions, { name: profileName, profile }, source.permissions);
  const egress = restrictEgress(grantEgress(request.egress, { name: profileName, profile }, doing), permissions, doing);
  const limits = grantLimits(request, source);
  const granted = {
    profileName,
    profile,
    imageName,
    imageReference,
    runtime,
    limits,
    idleMs: request.idleMs ?? source.defaults.idleMs,
    ttlMs: request.ttlMs ?? source.defaults.ttlMs,
    egress,
    permissions,
  };
  return { ...granted, sha256: digest(granted) };
}

/** The same policy with another way out. */
export function withEgress({ sha256: _former, ...policy }: GrantedPolicy, egress: GrantedEgress): GrantedPolicy {
  const granted = { ...policy, egress };
  return { ...granted, sha256: digest(granted) };
}

const digest = (granted: Omit<GrantedPolicy, 'sha256'>): string => createHash('sha256').update(JSON.stringify(granted)).digest('hex');

/** Names come from clients: what every object inherits is not in the table. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** A policy that would be accepted and not enforced is the worst of answers, so it is refused by name. */
function refuseHostPath(request: OpenRequest, hasHostRoots = false): void {
  if (request.workspace?.hostPath === undefined) return;
  if (request.workspace.maxBytes !== undefined || request.limits?.diskBytes !== undefined) {
    throw new SandboxError('POLICY_INVALID', `Cannot open session ${request.session}: no limit is enforced on a directory of the host`, {
      hint: 'Leave workspace.maxBytes and limits.diskBytes out.',
    });
  }
  if (!hasHostRoots) {
    throw new SandboxError(
      'POLICY_INVALID',
      `Cannot open session ${request.session}: no host directory is configured as a workspace root`,
      {
        hint: 'Use a named workspace and upload the files.',
      },
    );
  }
}

function grantLimits(request: OpenRequest, source: PolicySource): Limits {
  const asked = request.limits ?? {};
  const maxBytes = request.workspace?.maxBytes;
  if (maxBytes !== undefined && asked.diskBytes !== undefined && maxBytes !== asked.diskBytes) {
    throw new SandboxError('POLICY_INVALID', `Cannot open session ${request.session}: workspace.maxBytes and limits.diskBytes differ`, {
      hint: 'State one of them.',
    });
  }
  const given = Object.fromEntries(
    Object.entries({ ...asked, ...(maxBytes === undefined ? {} : { diskBytes: maxBytes }) }).filter(([, value]) => value !== undefined),
  );
  const limits: Limits = { ...source.defaults.limits, ...given };
  // Without it there is no cap, which is more than any maximum.
  if (limits.outputBytes === undefined && source.maxima.outputBytes !== undefined) limits.outputBytes = source.maxima.outputBytes;
  // /tmp and /dev/shm (an eighth of memory) are memory: together at most half of it. A default /tmp shrinks, an asked one is refused later.
  if (asked.tmpBytes === undefined) limits.tmpBytes = Math.min(limits.tmpBytes, Math.floor((limits.memoryBytes * 3) / 8));
  for (const key of Object.keys(limits) as (keyof Limits)[]) {
    const maximum = source.maxima[key];
    const value = limits[key];
    if (maximum !== undefined && value !== undefined && value > maximum) {
      throw new SandboxError(
        'QUOTA_EXCEEDED',
        `Cannot open session ${request.session}: limits.${key} ${value} is above the operator's maximum ${maximum}`,
        { retry: 'never' },
      );
    }
  }
  return limits;
}
