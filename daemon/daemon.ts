// The composition root: everything that exists, wired by hand, in the order it starts. Stopping is the reverse.

import { rm } from 'node:fs/promises';
import { Routes } from './admin/routes.ts';
import { loadSigningKeys, verifyToken } from './auth/token.ts';
import type { Config } from './config.ts';
import { openEngine } from './container/open-engine.ts';
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
import { openSessions } from './open-sessions.ts';
import { ClientRegistry } from './session/client-registry.ts';
import { recordAnyway } from './session/record-anyway.ts';
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
    const { pool, confirmations } = openSessions({
      config,
      stateDir,
      packageRoot: environment.packageRoot,
      version,
      instanceId,
      engine,
      baseImage: artifacts.imageReference,
      runtimeDirs,
      workspaces,
      sandboxRecords,
      audit,
      receiptKey: receiptKeys.privateKey,
      connections: () => gateway.connections(),
      undo: (step) => undo.push(step),
      clock,
      log,
    });
    const clients = new ClientRegistry({ clock });
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
