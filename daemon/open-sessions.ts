// Everything about sessions, wired: confirmations, the way out, the maker of sandboxes, the pool. A part of the composition root.

import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { ConfigInForce } from './config-in-force.ts';
import { KernelLog } from './container/kernel-log.ts';
import type { OpenedEngine } from './container/open-engine.ts';
import type { EgressProcess } from './egress/egress-process.ts';
import { egressEvents } from './egress-events.ts';
import type { Recordings } from './exec/recordings.ts';
import { SpoolStore } from './exec/spool-store.ts';
import type { Connection } from './gateway/connection.ts';
import type { DeniedExecs } from './gateway/denied-execs.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { Connected } from './open-clients.ts';
import { openEgress } from './open-egress.ts';
import { openPermissions } from './open-permissions.ts';
import type { PolicySource } from './policy/grant-policy.ts';
import type { SecretStore } from './secrets/secret-store.ts';
import { recordAdoptedEnd } from './session/adopted-exec-record.ts';
import { Confirmations } from './session/confirmations.ts';
import type { PermissionGate } from './session/permission-gate.ts';
import { SessionPool } from './session/pool.ts';
import { Quotas } from './session/quota.ts';
import { SandboxFactory } from './session/sandbox-factory.ts';
import { spareTargets } from './session/spare-targets.ts';
import type { SandboxRecords } from './session/sandbox-record.ts';
import type { RuntimeDirs } from './workspace/runtime-dirs.ts';
import type { WorkspaceKeeper } from './workspace/workspace-keeper.ts';

interface SessionParts {
  readonly config: Config;
  /** Reads the configuration again; absent: it was not read from anywhere. */
  readonly loadConfig: (() => Config) | undefined;
  readonly stateDir: string;
  readonly packageRoot: string;
  readonly version: string;
  readonly instanceId: string;
  readonly engine: OpenedEngine;
  /** What set-up built. */
  readonly baseImage: string;
  /** Name -> content id of those that operators added. */
  readonly addedImages: () => Readonly<Record<string, string>>;
  readonly runtimeDirs: RuntimeDirs;
  readonly workspaces: WorkspaceKeeper;
  readonly sandboxRecords: SandboxRecords;
  readonly secrets: SecretStore;
  readonly recordings: Recordings;
  readonly audit: AuditLog;
  readonly receiptKey: KeyObject;
  /** Those of the gateway, which starts later. */
  readonly connections: () => Iterable<Connection>;
  /** Registers a step of stopping. */
  readonly undo: (step: () => Promise<void> | void) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedSessions {
  readonly pool: SessionPool;
  readonly confirmations: Confirmations;
  /** Spares that wait, and as many as are wanted. */
  readonly spares: () => { readonly free: number; readonly wanted: number };
  readonly egress: EgressProcess;
  readonly configuration: ConfigInForce;
  readonly permissions: { readonly gate: PermissionGate; readonly denied: DeniedExecs };
  /** What sessions are granted from, as it is now. */
  readonly policySource: () => PolicySource;
}

export function openSessions(options: SessionParts): OpenedSessions {
  const { config, stateDir, instanceId, engine, runtimeDirs, workspaces, audit, clock, log } = options;
  const configuration = new ConfigInForce({
    initial: config,
    load: options.loadConfig,
    verify: (next) => void spareTargets(next.pool.warm, sourceOf(next)),
    onChange: (now) => egress.setOperator(now.egress),
    addedImages: options.addedImages,
    audit,
    log,
  });
  const connected = new Connected(options.connections);
  const confirmations = new Confirmations({
    clock,
    audit,
    timeoutMs: () => configuration.now.permissions.confirmTimeoutMs,
    deliver: (request): string | false => connected.ask(pool.controllerOf(request.sandboxId), request),
  });
  const egress = openEgress(config, configuration, clock, log);
  options.undo(() => egress.stop());
  const kernelLog = KernelLog.open();
  options.undo(() => kernelLog?.close());
  const quotas = new Quotas(config.ceilings);
  const factory = new SandboxFactory({
    quotas,
    isStorageLimited: config.ceilings.perTenant.diskBytes !== undefined,
    spares: () => spareTargets(config.pool.warm, sourceOf(configuration.now)),
    driver: engine.driver,
    instanceId,
    stateDir,
    seccompDir: join(options.packageRoot, 'seccomp'),
    runtimeDirs,
    workspaces,
    records: options.sandboxRecords,
    spools: new SpoolStore({ dir: join(stateDir, 'spool'), log }),
    receiptKey: options.receiptKey,
    clock,
    log,
    daemonVersion: options.version,
    secrets: options.secrets,
    recordings: options.recordings,
    onExecAdopted: recordAdoptedEnd({ audit, log, version: options.version }),
    egress,
    kernelLog,
    ...egressEvents({ audit, log, confirmations, tell: (id, event) => connected.tell(pool.controllerOf(id), event) }),
  });

  const sourceOf = (now: Config): PolicySource => ({
    profiles: now.profiles,
    images: { base: options.baseImage, ...options.addedImages(), ...now.images.allow },
    runtimes: engine.runtimes,
    defaults: { ...now.defaults, runtime: config.engine.runtime, idleMs: config.pool.idleMs, ttlMs: config.pool.ttlMs },
    hasHostRoots: config.workspace.hostRoots.length > 0,
    maxima: now.ceilings.perSandbox,
    permissions: now.permissions,
  });
  const permissions = openPermissions({ configuration, confirmations, audit });
  const pool = new SessionPool({
    maker: factory,
    policySource: () => sourceOf(configuration.now),
    quotas,
    clock,
    log,
    audit,
    maxSessions: config.pool.maxSessions,
    ttlMs: config.pool.ttlMs,
    sweepMs: config.pool.sweepMs,
    leaseGraceMs: config.pool.leaseGraceMs,
    pauseIdleMs: config.pool.pauseIdleMs,
    creating: config.pool.creating,
    onEnded: (session, reason) => {
      confirmations.closed(session.id);
      permissions.forget(session.id);
      options.secrets
        .close(session.id)
        .catch((error: unknown) => log.error({ sandboxId: session.id, err: error }, 'sealed secrets not removed'));
      connected.ended(session, reason);
    },
    onLeaseLost: (session, former) => connected.tell(former, { event: 'session.leaseLost', sandbox: session.id }),
  });
  return {
    pool,
    confirmations,
    spares: () => factory.spares,
    egress,
    configuration,
    permissions,
    policySource: () => sourceOf(configuration.now),
  };
}
