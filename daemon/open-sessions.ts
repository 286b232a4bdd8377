// Everything about sessions, wired: confirmations, the way out, the maker of sandboxes, the pool. A part of the composition root.

import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from './config.ts';
import type { OpenedEngine } from './container/open-engine.ts';
import { SpoolStore } from './exec/spool-store.ts';
import type { Connection } from './gateway/connection.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { openEgress } from './open-egress.ts';
import type { PolicySource } from './policy/grant-policy.ts';
import { Confirmations } from './session/confirmations.ts';
import { SessionPool } from './session/pool.ts';
import { Quotas } from './session/quota.ts';
import { SandboxFactory } from './session/sandbox-factory.ts';
import type { SandboxRecords } from './session/sandbox-record.ts';
import type { RuntimeDirs } from './workspace/runtime-dirs.ts';
import type { WorkspaceKeeper } from './workspace/workspace-keeper.ts';

interface SessionParts {
  readonly config: Config;
  readonly stateDir: string;
  readonly packageRoot: string;
  readonly version: string;
  readonly instanceId: string;
  readonly engine: OpenedEngine;
  /** What set-up built. */
  readonly baseImage: string;
  readonly runtimeDirs: RuntimeDirs;
  readonly workspaces: WorkspaceKeeper;
  readonly sandboxRecords: SandboxRecords;
  readonly audit: AuditLog;
  readonly receiptKey: KeyObject;
  /** Those of the gateway, which starts later. */
  readonly connections: () => Iterable<Connection>;
  /** Registers a step of stopping. */
  readonly undo: (step: () => Promise<void> | void) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export function openSessions(options: SessionParts): { readonly pool: SessionPool; readonly confirmations: Confirmations } {
  const { config, stateDir, instanceId, engine, runtimeDirs, workspaces, audit, clock, log } = options;
  const confirmations = new Confirmations({
    clock,
    audit,
    timeoutMs: config.permissions.confirmTimeoutMs,
    deliver: (request) => {
      const connection = connectionOf(pool.controllerOf(request.sandboxId) ?? '');
      connection?.sendEvent({ event: 'confirm.request', request });
      return connection !== undefined;
    },
  });
  const egress = openEgress(config, clock, log);
  options.undo(() => egress.stop());
  const factory = new SandboxFactory({
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
    egress,
    onEgress: ({ id, tenant, session, labels, policy }, { at: startedAt, ...decision }) => {
      audit.append({
        kind: 'egress.decision',
        tenant,
        session,
        sandboxId: id,
        policySha256: policy.sha256,
        labels,
        startedAt,
        ...decision,
      });
      connectionOf(pool.controllerOf(id) ?? '')?.sendEvent({
        event: 'egress.decision',
        sandbox: id,
        decision: { at: startedAt, ...decision },
      });
    },
    onAsk: ({ id, tenant, session, labels, policy }, { host, port, method, path, rule, reason, execId }) =>
      confirmations.ask(
        {
          kind: 'egress',
          sandboxId: id,
          session,
          tool: 'egress',
          summary: `connect to ${host}:${port}`,
          rule,
          reason,
          ...(execId === undefined ? {} : { execId }),
          arguments: { host, port, ...(method === undefined ? {} : { method }), ...(path === undefined ? {} : { path }) },
        },
        { tenant, session, labels, policySha256: policy.sha256 },
      ),
  });

  const policySource: PolicySource = {
    profiles: config.profiles,
    images: { base: options.baseImage, ...config.images.allow },
    runtimes: engine.runtimes,
    defaults: { ...config.defaults, runtime: config.engine.runtime, idleMs: config.pool.idleMs, ttlMs: config.pool.ttlMs },
    maxima: config.ceilings.perSandbox,
  };
  const connectionOf = (clientId: string): Connection | undefined =>
    [...options.connections()].find((connection) => connection.client?.id === clientId);
  const pool = new SessionPool({
    maker: factory,
    policySource: () => policySource,
    quotas: new Quotas(config.ceilings),
    clock,
    log,
    audit,
    maxSessions: config.pool.maxSessions,
    ttlMs: config.pool.ttlMs,
    sweepMs: config.pool.sweepMs,
    leaseGraceMs: config.pool.leaseGraceMs,
    creating: config.pool.creating,
    onEnded: (session, reason) => {
      for (const connection of options.connections())
        if (connection.roles.forget(session.id))
          connection.sendEvent({
            event: 'session.ended',
            sandbox: session.id,
            code: session.state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED',
            reason,
          });
    },
    onLeaseLost: (session, former) => {
      connectionOf(former)?.sendEvent({ event: 'session.leaseLost', sandbox: session.id });
    },
  });
  return { pool, confirmations };
}
