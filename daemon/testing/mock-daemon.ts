// The daemon of tests: gateway, sessions, permissions, commands and files are the daemon's own, sandboxes are directories of this
// host. Needs neither root nor an engine, and CONFINES NOTHING. A composition root, beside daemon.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Cloister, type ConnectOptions } from '../../client/index.ts';
import { SandboxError } from '../../client/protocol/errors.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Role } from '../../client/protocol/requests.ts';
import { Routes } from '../admin/routes.ts';
import type { KeyRing } from '../auth/key-ring.ts';
import { loadSigningKeys } from '../auth/signing-keys.ts';
import { createToken } from '../auth/token.ts';
import type { Config } from '../config.ts';
import { ConfigInForce } from '../config-in-force.ts';
import { SpoolStore } from '../exec/spool-store.ts';
import type { Connection } from '../gateway/connection.ts';
import { createDispatch } from '../gateway/handlers.ts';
import { Gateway } from '../gateway/server.ts';
import { splitAddress } from '../listen-address.ts';
import { loadConfig } from '../load-config.ts';
import { systemClock } from '../observe/clock.ts';
import { createLog } from '../observe/log.ts';
import { openAudit } from '../open-audit.ts';
import { openAuth } from '../open-auth.ts';
import { Connected, disconnectedFrom, openPreviews } from '../open-clients.ts';
import { openMcp } from '../open-mcp.ts';
import { openPermissions } from '../open-permissions.ts';
import { SecretStore } from '../secrets/secret-store.ts';
import { ClientRegistry } from '../session/client-registry.ts';
import { Confirmations } from '../session/confirmations.ts';
import { SessionPool } from '../session/pool.ts';
import { Quotas } from '../session/quota.ts';
import { UsageBook } from '../session/usage-book.ts';
import { apiSocketPathOf, prepareStateDir, receiptKeyPathOf } from '../state-dir.ts';
import type { MockCommands } from './mock-commands.ts';
import { MockMaker } from './mock-maker.ts';
import { openMockWorkspaces } from './mock-workspaces.ts';

const VERSION = '0.0.0-mock';
const HEARTBEAT_MS = 15_000;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface MockDaemonOptions {
  /** What commands do; unless given each ends 127 and says that no answer was given for it. */
  readonly commands?: MockCommands | undefined;
  /** PATH of commands that really run. */
  readonly path?: string | undefined;
  /** Keys of the daemon's configuration, for example `permissions` or `ceilings`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** Takes the log, every level of it. */
  readonly log?: NodeJS.WritableStream | undefined;
}

export interface MockTokenOptions {
  readonly role?: Role | undefined;
  readonly session?: string | undefined;
  readonly isReadOnly?: boolean | undefined;
}

export interface MockDaemon extends AsyncDisposable {
  /** ws://127.0.0.1:PORT */
  readonly url: string;
  /** http://127.0.0.1:PORT */
  readonly http: string;
  /** For `acme` unless told otherwise. */
  token(tenant?: string, options?: MockTokenOptions): Promise<string>;
  /** A client of its own, closed with the daemon at the latest. */
  connect(options?: Partial<ConnectOptions> & { readonly tenant?: string | undefined }): Promise<Cloister>;
}

/**
 * Starts a daemon in this process, for tests: the real protocol and the real rules, and no confinement at all.
 * @example
 *   await using daemon = await startMockDaemon({ commands: { 'npm test': { stdout: 'ok\n' } } });
 *   const cloister = await daemon.connect();
 *   await using sandbox = await cloister.open({ session: 'test' });
 *   expect((await sandbox.exec('npm test')).stdout).toBe('ok\n');
 */
export async function startMockDaemon(options: MockDaemonOptions = {}): Promise<MockDaemon> {
  const stateDir = await mkdtemp(join(tmpdir().length > 24 ? '/tmp' : tmpdir(), 'cl-mock-'));
  const undo: (() => Promise<void> | void)[] = [() => rm(stateDir, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await start(stateDir, options, undo, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  stateDir: string,
  options: MockDaemonOptions,
  undo: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<MockDaemon> {
  const clock = systemClock;
  const log = createLog({ level: options.log === undefined ? 'silent' : 'trace', destination: options.log ?? new PassThrough().resume() });
  const config = loadConfig({
    file: undefined,
    env: {},
    options: { listen: '127.0.0.1:0', drainMs: 0, audit: { fsync: 'never' }, ...options.config, stateDir },
  });
  await prepareStateDir(stateDir);
  const openedAudit = await openAudit({ config, stateDir, version: VERSION, clock, log });
  const { audit, identify } = openedAudit;
  undo.push(() => openedAudit.stop());
  const secrets = await SecretStore.open(stateDir);
  undo.push(() => secrets.detach());
  const auth = await openAuth(config, stateDir, clock);
  const verify = (token: string) => auth.authenticator.verify(token);
  const receiptKeys = await loadSigningKeys(receiptKeyPathOf(stateDir));
  const workspaces = await openMockWorkspaces({ stateDir, uidRange: config.workspace.uidRange, clock, log });
  const configuration = new ConfigInForce({ initial: config, verify: () => undefined, audit, log });
  const connected = new Connected((): Iterable<Connection> => gateway.connections());
  const confirmations = new Confirmations({
    clock,
    audit,
    timeoutMs: () => configuration.now.permissions.confirmTimeoutMs,
    deliver: (request): string | false => connected.ask(pool.controllerOf(request.sandboxId), request),
  });
  const permissions = openPermissions({ configuration, confirmations, audit });
  const pool = new SessionPool({
    ...config.pool,
    maker: new MockMaker({
      commands: options.commands ?? {},
      path: options.path ?? DEFAULT_PATH,
      stateDir,
      workspaces,
      secrets,
      spools: new SpoolStore({ dir: join(stateDir, 'spool'), log }),
      receiptKey: receiptKeys.privateKey,
      version: VERSION,
      clock,
      log,
    }),
    policySource: () => policySource(configuration.now),
    quotas: new Quotas(config.ceilings),
    clock,
    log,
    audit,
    onEnded: (session, reason) => {
      confirmations.closed(session.id);
      permissions.forget(session.id);
      void secrets.close(session.id).catch(() => undefined);
      connected.ended(session, reason);
    },
    onLeaseLost: (session, former) => connected.tell(former, { event: 'session.leaseLost', sandbox: session.id }),
  });
  identify.from((id) => pool.sessionOf(id));
  const clients = new ClientRegistry({ clock });
  const previews = openPreviews({ config, auth, pool, clock, log });
  const routes = new Routes({ pool, version: VERSION, notReady: async () => [] });
  const mcp = openMcp({ config, version: VERSION, clock, log });
  const { host, port } = splitAddress(config.listen);
  const gateway = new Gateway({
    host,
    port,
    socketPath: apiSocketPathOf(stateDir),
    origins: config.origins,
    clock,
    log,
    heartbeatMs: HEARTBEAT_MS,
    maxConnections: 1000,
    verify,
    dispatch: createDispatch({
      explainEgress: async () => {
        throw new SandboxError('ENGINE_UNAVAILABLE', 'Cannot explain: the daemon of tests has no way out to judge', { retry: 'never' });
      },
      images: { add: withoutEngine, remove: withoutEngine, list: async () => [] },
      ...{ pool, clients, previews, workspaces, confirmations, configuration, permissions, audit, secrets, clock, log },
      usage: new UsageBook(),
      version: VERSION,
      heartbeatMs: HEARTBEAT_MS,
      receiptKey: receiptKeys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    }),
    route: (request, principal) => mcp.answer(request, principal) ?? routes.answer(request, principal),
    onRefused: () => undefined,
    onDisconnected: disconnectedFrom({ clients, pool, confirmations }),
  });
  pool.start();
  undo.push(async () => {
    await pool.drain('close', 0);
    await mcp.close();
    await gateway.close();
  });
  await previews.listen();
  undo.push(() => previews.close());
  const address = await gateway.listen();
  const http = `http://${address.host}:${address.port}`;
  const opened: Cloister[] = [];
  undo.push(async () => void (await Promise.all(opened.map((client) => client.close()))));
  const token = (tenant = 'acme', more: MockTokenOptions = {}): Promise<string> => newToken(auth.keys, tenant, more);
  return {
    url: http.replace('http', 'ws'),
    http,
    token,
    connect: async ({ tenant, ...more } = {}) => {
      const client = await Cloister.connect({ url: http, token: await token(tenant), ...more });
      opened.push(client);
      return client;
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function withoutEngine(): Promise<never> {
  throw new SandboxError('ENGINE_UNAVAILABLE', 'Cannot change images: the daemon of tests has no engine', { retry: 'never' });
}

function policySource(now: Config) {
  return {
    profiles: now.profiles,
    images: { base: 'mock', ...now.images.allow },
    runtimes: now.engine.runtimes,
    defaults: { ...now.defaults, runtime: now.engine.runtime, idleMs: now.pool.idleMs, ttlMs: now.pool.ttlMs },
    maxima: now.ceilings.perSandbox,
    permissions: now.permissions,
  };
}

function newToken(keys: KeyRing, tenant: string, { role = 'tenant', session, isReadOnly = false }: MockTokenOptions): Promise<string> {
  const claims = { tenant: TenantName.parse(tenant), role, session: session === undefined ? null : SessionName.parse(session), isReadOnly };
  return createToken(keys, { ...claims, ttlMs: 24 * 3_600_000 }, Date.now());
}
