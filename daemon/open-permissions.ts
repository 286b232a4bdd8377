// The permission engine with what it needs of the daemon. A part of the composition root.

import type { SandboxId } from '../client/protocol/names.ts';
import type { ConfigInForce } from './config-in-force.ts';
import { DeniedExecs } from './gateway/denied-execs.ts';
import type { AuditLog } from './observe/audit-log.ts';
import { PermissionEngine } from './policy/permission-engine.ts';
import { AllowedBefore } from './session/allowed-before.ts';
import type { Confirmations } from './session/confirmations.ts';
import { PermissionGate } from './session/permission-gate.ts';

interface PermissionParts {
  readonly configuration: Pick<ConfigInForce, 'permissionsOf'>;
  readonly confirmations: Confirmations;
  readonly audit: AuditLog;
}

export interface OpenedPermissions {
  readonly gate: PermissionGate;
  readonly denied: DeniedExecs;
  /** The session has ended. */
  forget(sandbox: SandboxId): void;
}

export function openPermissions({ configuration, confirmations, audit }: PermissionParts): OpenedPermissions {
  const allowed = new AllowedBefore();
  const denied = new DeniedExecs();
  const engine = new PermissionEngine();
  const gate = new PermissionGate({ engine, confirmations, allowed, audit, current: (profile) => configuration.permissionsOf(profile) });
  return {
    gate,
    denied,
    forget: (sandbox) => {
      allowed.forget(sandbox);
      denied.forget(sandbox);
    },
  };
}
