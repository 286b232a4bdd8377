// The composition root: everything that exists, wired by hand, in the order it starts. Stopping is the reverse.

import { rm } from 'node:fs/promises';
import { Routes } from './admin/routes.ts';
import { openAuth } from './open-auth.ts';
import { openConsole } from './open-console.ts';
import { openImages } from './open-images.ts';
import { openCompat } from './open-compat.ts';
import { openMcp } from './open-mcp.ts';
import { openRecordings } from './open-recordings.ts';
import { openRoutes } from './open-routes.ts';
import { openAudit } from './open-audit.ts';
import { loadSigningKeys } from './auth/signing-keys.ts';
import type { Config } from './config.ts';
import { openEngine } from './container/open-engine.ts';
import type { Configuration } from './gateway/configuration.ts';
import { createDispatch } from './gateway/handlers.ts';
import { observedDispatch } from './gateway/observed-dispatch.ts';
import { RefusalRecord } from './gateway/refusal-record.ts';
import { UsageBook } from './session/usage-book.ts';
import { Gateway } from './gateway/server.ts';
import { splitAddress } from './listen-address.ts';
import { writeFileAtomic } from './observe/atomic-file.ts';
import { type Clock, systemClock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { SecretStore } from './secrets/secret-store.ts';
import { lockStateDir } from './observe/state-lock.ts';
import { disconnectedFrom, openPreviews } from './open-clients.ts';
import { recordInterrupted } from './egress-interrupted.ts';
import { explainWith } from './open-egress.ts';
import { openFleet } from './open-fleet.ts';
import { openSessions } from './open-sessions.ts';
import { openTelemetry } from './open-telemetry.ts';
import { ClientRegistry } from './session/client-registry.ts';
import { recordAnyway } from './session/record-anyway.ts';
import { SandboxRecords } from './session/sandbox-record.ts';
import { prepareArtifacts } from './setup/prepare-artifacts.ts';
import { addressPathOf, apiSocketPathOf, instanceIdOf, prepareStateDir, receiptKeyPathOf } from './state-dir.ts';
import { CheckpointRecords } from './workspace/checkpoint-records.ts';
import { HostDirectories } from './workspace/host-directories.ts';
import { openWorkspaceStore } from './workspace/open-store.ts';
import { RuntimeDirs } from './workspace/runtime-dirs.ts';
import { UidAllocator } from './workspace/uid-allocator.ts';
import { WorkspaceKeeper } from './workspace/workspace-keeper.ts';
import { WorkspaceRetention } from './workspace/workspace-retention.ts';
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
  /** Reads the configuration again from where it came from. */
  readonly loadConfig?: (() => Config) | undefined;
}

export interface Daemon {
  readonly url: string;
  readonly http: string;
  readonly stateDir: string;
  readonly engine: string;
  readonly configuration: Configuration;
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
    const checkpointRecords = await CheckpointRecords.open(stateDir);
    const { hostRoots: roots, retainMs } = config.workspace;
    const hosts = await HostDirectories.open({ stateDir, roots, uidRange: { first, last }, reservedUids: [config.egress.uid] });
    undo.push((onExit) => (onExit === 'close' ? hosts.dispose() : undefined));
    const workspaces = new WorkspaceKeeper({ store, records: workspaceRecords, uids, checkpointRecords, hosts, clock, log });
    const retention = new WorkspaceRetention({
      list: () => workspaces.list(),
      isInUse: (id) => workspaces.isInUse(id),
      remove: (id) => workspaces.remove(id),
      retainMs,
      clock,
      log,
    });
    undo.push(() => retention.stop());

    const openedAudit = await openAudit({ config, stateDir, version, clock, log });
    const { audit, identify } = openedAudit;
    undo.push(() => openedAudit.stop());
    await recordInterrupted({ audit, log, lifetimeMs: config.egress.limits.lifetimeMs });
    const secrets = await SecretStore.open(stateDir);
    undo.push(() => secrets.detach());
    const auth = await openAuth(config, stateDir, clock);
    const verify = (token: string) => auth.authenticator.verify(token);
    const receiptKeys = await loadSigningKeys(receiptKeyPathOf(stateDir));
    const recordings = await openRecordings({ config, stateDir, audit, clock, log, undo: (step) => undo.push(step) });
    const images = await openImages({
      ...{ stateDir, instanceId, engine, baseImage: artifacts.imageReference, sandboxRecords, audit, clock, log },
      configured: () => sessions.configuration.now.images.allow,
    });
    const sessions = openSessions({
      config,
      loadConfig: environment.loadConfig,
      stateDir,
      packageRoot: environment.packageRoot,
      version,
      instanceId,
      engine,
      baseImage: artifacts.imageReference,
      addedImages: () => images.references,
      runtimeDirs,
      workspaces,
      sandboxRecords,
      recordings,
      secrets,
      audit,
      receiptKey: receiptKeys.privateKey,
      connections: () => gateway.connections(),
      undo: (step) => undo.push(step),
      clock,
      log,
    });
    const { pool, confirmations, spares, egress, configuration, permissions } = sessions;
    const telemetry = await openTelemetry({
      ...{ config, stateDir, version, instanceId, engine, audit, sessions, clock, log },
      connections: () => gateway.connections(),
      undo: (step) => undo.push(step),
    });
    const clients = new ClientRegistry({ clock });
    const previews = openPreviews({ config, auth, pool, elsewhere: (sandbox) => fleet.previewOf(sandbox), clock, log });
    const refusals = new RefusalRecord({ append: (entry) => recordAnyway({ audit, log }, entry), clock });
    const facts = { engine: engine.info.serverVersion, store: store.kind, instance: instanceId };
    const console = await openConsole({ ...environment, config, pool, spares, workspaces, audit, facts, clock });
    undo.push(() => console.stop());
    const routes = new Routes({
      pool,
      version,
      console: console.files,
      notReady: () =>
        engine.driver.ping().then(
          () => [],
          (error: unknown) => [String(error)],
        ),
      more: [
        ...openRoutes({
          ...auth,
          audit,
          clock,
          confirmations,
          configuration,
          recordings,
          onRevoked: () => auth.closeRevoked(gateway.connections()),
        }),
        ...console.routes,
        ...telemetry.routes,
      ],
    });
    const mcp = openMcp({ config, version, clock, log });
    const fleet = openFleet({
      ...{ config, instanceId, version, sessions, workspaces, audit, clock, log },
      connections: () => gateway.connections(),
      undo: (step) => undo.push(step),
    });
    const disconnected = disconnectedFrom({ clients, pool, confirmations });
    let isHandedOver = false;
    const { host, port } = splitAddress(config.listen);
    const gateway = new Gateway({
      host,
      port,
      socketPath: apiSocketPathOf(stateDir),
      origins: [...config.origins, ...fleet.origins],
      routed: fleet.routed,
      clock,
      log,
      heartbeatMs: HEARTBEAT_MS,
      maxConnections: MAX_CONNECTIONS,
      verify,
      dispatch: observedDispatch(
        fleet.dispatch(
          createDispatch({
            explainEgress: explainWith(egress, config),
            ...{ pool, clients, images, audit, workspaces, secrets, previews },
            ...{ confirmations, configuration, permissions, clock, log, version },
            usage: new UsageBook(),
            heartbeatMs: HEARTBEAT_MS,
            receiptKey: receiptKeys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
          }),
        ),
        telemetry,
      ),
      route: (request, principal) =>
        fleet.answer(request, principal, () => mcp.answer(request, principal) ?? routes.answer(request, principal)),
      onRefused: (refused) => refusals.add(refused),
      onDisconnected: (connection) => {
        if (!isHandedOver) disconnected(connection);
      },
    });
    const compat = openCompat({ config, auth, configuration, audit, previews, onRefused: (refused) => refusals.add(refused), clock, log });
    undo.push(async (onExit) => {
      if (onExit === 'keep') {
        // Its clients go to the next daemon: nothing of theirs is refused here, and nothing ends because they have gone.
        isHandedOver = true;
        gateway.sendAway();
      }
      await pool.drain(onExit, onExit === 'close' && config.drainMs > 0 ? config.drainMs : 0);
      await compat.close();
      await mcp.close();
      await gateway.close();
    });
    undo.push(() => previews.close());
    identify.from((id) => pool.sessionOf(id));
    const adopted = await pool.adopt();
    const left = (await sandboxRecords.list()).records.map(({ id }) => id);
    await secrets.retain(left);
    for (const id of left) identify.of(id, '');
    await workspaces.reconcile();
    pool.start();
    retention.start();
    await previews.listen();
    const address = await gateway.listen();
    await compat.listen();
    const http = `http://${address.host}:${address.port}`;
    await fleet.start(http, previews.port);
    await writeFileAtomic(addressPathOf(stateDir), JSON.stringify({ url: http.replace('http', 'ws') }));
    undo.push(() => rm(addressPathOf(stateDir), { force: true }));
    log.info(
      { http, stateDir, instanceId, engine: engine.driver.endpoint, engineVersion: engine.info.serverVersion, store: store.kind, adopted },
      'daemon ready',
    );
    audit.append({ kind: 'daemon.start', version, instanceId, adopted });
    undo.push(() => audit.append({ kind: 'daemon.stop', instanceId }));
    return { url: http.replace('http', 'ws'), http, stateDir, engine: engine.driver.endpoint, configuration, stop: undoAll };
  } catch (error) {
    // What an earlier daemon left running is not ended because this one could not start.
    await undoAll(hasSandboxes ? 'keep' : 'close');
    throw error;
  }
}
