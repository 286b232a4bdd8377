// The composition root: everything that exists, wired by hand, in the order it starts. Stopping is the reverse.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Routes } from './admin/routes.ts';
import { loadSigningKeys, verifyToken } from './auth/token.ts';
import type { Config } from './config.ts';
import { openEngine } from './container/open-engine.ts';
import { SpoolStore } from './exec/spool-store.ts';
import type { Connection } from './gateway/connection.ts';
import { createDispatch } from './gateway/handlers.ts';
import { previewKey } from './gateway/ports/preview-pass.ts';
import { PreviewServer } from './gateway/ports/preview-server.ts';
import { RefusalRecord } from './gateway/refusal-record.ts';
import { Gateway } from './gateway/server.ts';
import { splitAddress } from './listen-address.ts';
import { writeFileAtomic } from './observe/atomic-file.ts';
import { AuditLog } from './observe/audit-log.ts';
import { type Clock, systemClock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { lockStateDir } from './observe/state-lock.ts';
import { openEgress } from './open-egress.ts';
import type { PolicySource } from './policy/grant-policy.ts';
import { Confirmations } from './session/confirmations.ts';
import { ClientRegistry } from './session/client-registry.ts';
import { SessionPool } from './session/pool.ts';
import { Quotas } from './session/quota.ts';
import { recordAnyway } from './session/record-anyway.ts';
import { SandboxFactory } from './session/sandbox-factory.ts';
import { SandboxRecords } from './session/sandbox-record.ts';
import { prepareArtifacts } from './setup/prepare-artifacts.ts';
import { addressPathOf, auditPathOf, instanceIdOf, keyPathOf, prepareStateDir, receiptKeyPathOf } from './state-dir.ts';
import { openWorkspaceStore } from './workspace/open-store.ts';
import { RuntimeDirs } from './workspace/runtime-dirs.ts';
import { UidAllocator } from './workspace/uid-allocator.ts';
import { WorkspaceKeeper } from './workspace/workspace-keeper.ts';
import { WorkspaceRecords } from './workspace/workspace-records.ts';

const HEARTBEAT_MS = 15_000;
const MAX_CONNECTIONS = 10_000;

export interface DaemonEnvironment {
  readonly log: Log;
  readonly dockerHost: string | undefined;
  /** Where images/ and seccomp/ lie. */
  readonly packageRoot: string;
  readonly version: string;
  /** Of the host, as Node spells it. */
  readonly arch: string;
  readonly clock?: Clock;
}

export interface Daemon {
  readonly url: string;
  readonly http: string;
  readonly stateDir: string;
  readonly engine: string;
  stop(onExit: 'keep' | 'close'): Promise<void>;
}

/** Starts everything or nothing: a step that fails undoes those before it. */
export async function startDaemon(config: Config, environment: DaemonEnvironment): Promise<Daemon> {
  const { log, version } = environment;
  const clock = environment.clock ?? systemClock;
  const { stateDir } = config;
  /** Undone in reverse; `keep` says that sandboxes stay for the next daemon. */
  const undo: ((onExit: 'keep' | 'close') => Promise<void> | void)[] = [];
  const undoAll = async (onExit: 'keep' | 'close') => {
    for (const step of undo.splice(0).reverse()) {
      try {
        await step(onExit);
      } catch (error) {
        log.error({ err: error }, 'a step of stopping failed');
      }
    }
  };
  let hasSandboxes = false;
  try {
    await prepareStateDir(stateDir);
    const lock = await lockStateDir(stateDir);
    undo.push(() => lock.release());
    const instanceId = await instanceIdOf(stateDir);
    const sandboxRecords = await SandboxRecords.open(stateDir);
    hasSandboxes = (await sandboxRecords.list()).records.length > 0;

    const engine = await openEngine({
      stateDir,
      socketPath: config.engine.socketPath,
      dockerHost: environment.dockerHost,
      mode: config.engine.private,
      runtimes: config.engine.runtimes,
      log,
    });
    undo.push((onExit) => (onExit === 'close' ? engine.stop() : undefined));
    const artifacts = await prepareArtifacts({
      driver: engine.driver,
      cacheDir: config.cacheDir,
      packageRoot: environment.packageRoot,
      arch: environment.arch,
      onProgress: (line) => log.info({ line }, 'preparing'),
    });

    const runtimeDirs = await RuntimeDirs.open({ stateDir, initBinary: artifacts.initPath, log });
    undo.push((onExit) => (onExit === 'close' ? runtimeDirs.dispose() : undefined));
    const store = await openWorkspaceStore({
      stateDir,
      kind: config.workspace.store,
      poolFile: config.workspace.poolFile,
      poolBytes: config.workspace.poolBytes,
      acceptNoQuota: config.workspace.quota === 'none',
      tenantMaxBytes: () => config.ceilings.perTenant.diskBytes ?? null,
      log,
    });
    undo.push((onExit) => (onExit === 'close' ? store.dispose() : undefined));
    const workspaceRecords = await WorkspaceRecords.open({ stateDir, log });
    const [first, last] = config.workspace.uidRange;
    const uids = new UidAllocator(
      { first, last },
      workspaceRecords.list().map((record) => record.uid),
    );
    const workspaces = new WorkspaceKeeper({ store, records: workspaceRecords, uids, clock, log });

    const audit = AuditLog.open(config.audit.file ?? auditPathOf(stateDir), clock);
    undo.push(() => audit.close());
    const tokenKeys = await loadSigningKeys(keyPathOf(stateDir));
    const receiptKeys = await loadSigningKeys(receiptKeyPathOf(stateDir));
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
    undo.push(() => egress.stop());
    const factory = new SandboxFactory({
      driver: engine.driver,
      instanceId,
      stateDir,
      seccompDir: join(environment.packageRoot, 'seccomp'),
      runtimeDirs,
      workspaces,
      records: sandboxRecords,
      spools: new SpoolStore({ dir: join(stateDir, 'spool'), log }),
      receiptKey: receiptKeys.privateKey,
      clock,
      log,
      daemonVersion: version,
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
      images: { base: artifacts.imageReference, ...config.images.allow },
      runtimes: engine.runtimes,
      defaults: { ...config.defaults, runtime: config.engine.runtime, idleMs: config.pool.idleMs, ttlMs: config.pool.ttlMs },
      maxima: config.ceilings.perSandbox,
    };
    const clients = new ClientRegistry({ clock });
    const connectionOf = (clientId: string): Connection | undefined =>
      [...gateway.connections()].find((connection) => connection.client?.id === clientId);
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
        for (const connection of gateway.connections())
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
    const verify = (token: string) => verifyToken(tokenKeys, token, clock.now());
    const previews = new PreviewServer({
      ...splitAddress(config.ports.listen),
      scheme: config.ports.scheme,
      domain: config.ports.domain,
      key: previewKey(tokenKeys.privateKey),
      verify,
      find: (sandbox, principal) => pool.find(sandbox, principal),
      clock,
      log,
    });
    const refusals = new RefusalRecord({ append: (entry) => recordAnyway({ audit, log }, entry), clock });
    const routes = new Routes({
      pool,
      version,
      notReady: () =>
        engine.driver.ping().then(
          () => [],
          (error: unknown) => [String(error)],
        ),
    });
    const { host, port } = splitAddress(config.listen);
    const gateway = new Gateway({
      host,
      port,
      origins: config.origins,
      clock,
      log,
      heartbeatMs: HEARTBEAT_MS,
      maxConnections: MAX_CONNECTIONS,
      verify,
      dispatch: createDispatch({
        pool,
        clients,
        audit,
        previews,
        confirmations,
        clock,
        log,
        version,
        heartbeatMs: HEARTBEAT_MS,
        receiptKey: receiptKeys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      }),
      route: (request, principal) => routes.answer(request, principal),
      onRefused: (refused) => refusals.add(refused),
      onDisconnected: (connection) => {
        const { client } = connection;
        if (client !== null && clients.disconnected(client.id, connection.disconnect, () => pool.controllerGone(client.id)))
          pool.controllerLost(client.id);
      },
    });
    undo.push(async (onExit) => {
      await pool.drain(onExit, onExit === 'close' && config.drainMs > 0 ? config.drainMs : 0);
      await gateway.close();
    });
    undo.push(() => previews.close());
    const adopted = await pool.adopt();
    await workspaces.reconcile();
    await previews.listen();
    const address = await gateway.listen();
    const http = `http://${address.host}:${address.port}`;
    await writeFileAtomic(addressPathOf(stateDir), JSON.stringify({ url: http.replace('http', 'ws') }));
    undo.push(() => rm(addressPathOf(stateDir), { force: true }));
    log.info(
      { http, stateDir, instanceId, engine: engine.driver.endpoint, engineVersion: engine.info.serverVersion, store: store.kind, adopted },
      'daemon ready',
    );
    audit.append({ kind: 'daemon.start', version, instanceId, adopted });
    undo.push(() => audit.append({ kind: 'daemon.stop', instanceId }));
    return { url: http.replace('http', 'ws'), http, stateDir, engine: engine.driver.endpoint, stop: undoAll };
  } catch (error) {
    // What an earlier daemon left running is not ended because this one could not start.
    await undoAll(hasSandboxes ? 'keep' : 'close');
    throw error;
  }
}
