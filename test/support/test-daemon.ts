// Real daemons for tests, on the engine of this test run: in this process, or as a process of their own that can be killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ConnectOptions, Cloister } from '../../client/index.ts';
import { SessionName, TenantName } from '../../client/protocol/names.ts';
import type { Role } from '../../client/protocol/requests.ts';
import { KeyRing } from '../../daemon/auth/key-ring.ts';
import { createToken } from '../../daemon/auth/token.ts';
import { loadConfig } from '../../daemon/load-config.ts';
import { DockerDriver } from '../../daemon/container/docker-driver.ts';
import type { ContainerDriver } from '../../daemon/container/driver.ts';
import { startDaemon } from '../../daemon/daemon.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { keyPathOf } from '../../daemon/state-dir.ts';
import { unmountAllUnder } from '../../daemon/workspace/mounts.ts';

const PACKAGE_ROOT = join(import.meta.dirname, '../..');
const POOL_BYTES = 4 * 1024 ** 3;
const READY_LIMIT_MS = 60_000;

type OnExit = 'keep' | 'close';

export interface TestDaemonOptions {
  /** Configuration beside listen, stateDir and engine. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** A directory of an earlier daemon; a new one unless given. */
  readonly stateDir?: string | undefined;
  /** HOST:PORT; a free port unless given. */
  readonly listen?: string | undefined;
  /** Socket of another engine than this test run's. */
  readonly engine?: string | undefined;
  /** Takes the log, every level of it; of a daemon in this process. */
  readonly log?: NodeJS.WritableStream | undefined;
}

export interface TokenOptions {
  readonly role?: Role | undefined;
  readonly session?: string | undefined;
  readonly isReadOnly?: boolean | undefined;
  readonly ttlMs?: number | undefined;
}

export interface TestDaemon extends AsyncDisposable {
  readonly url: string;
  readonly stateDir: string;
  readonly driver: ContainerDriver;
  token(tenant: string | null, options?: TokenOptions): Promise<string>;
  /** A client of the tenant, closed with the daemon at the latest. */
  connect(tenant: string, options?: Partial<ConnectOptions>): Promise<Cloister>;
  /** Containers of this daemon, running or not, as the engine lists them. */
  containers(): Promise<readonly string[]>;
  /** Stops the daemon and leaves its directory; with `keep` also its sandboxes. */
  stop(onExit: OnExit): Promise<void>;
}

export interface SpawnedDaemon extends TestDaemon {
  readonly pid: number;
  /** SIGKILL, and nothing else. */
  crash(): Promise<void>;
}

export const engineSocket = (): string => {
  const socketPath = process.env['CLOISTER_TEST_ENGINE'];
  if (socketPath === undefined) throw new Error('no engine: these tests run in the vitest projects docker and attack');
  return socketPath;
};

const newStateDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'cl-td-'));
const logLevel = (): string => process.env['CLOISTER_TEST_LOG_LEVEL'] ?? 'fatal';

function optionsOf(stateDir: string, options: TestDaemonOptions): Record<string, unknown> {
  const { workspace, ...config } = { workspace: {}, ...options.config };
  return {
    listen: options.listen ?? '127.0.0.1:0',
    stateDir,
    engine: { socketPath: options.engine ?? engineSocket() },
    drainMs: 0,
    workspace: { poolBytes: POOL_BYTES, ...workspace },
    ...config,
  };
}

/** In this process. */
export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const stateDir = options.stateDir ?? (await newStateDir());
  const config = loadConfig({ file: undefined, env: {}, options: optionsOf(stateDir, options) });
  const log = createLog({ level: options.log === undefined ? logLevel() : 'trace', destination: options.log ?? process.stderr });
  const daemon = await startDaemon(config, {
    log,
    dockerHost: undefined,
    packageRoot: PACKAGE_ROOT,
    version: '0.0.0-test',
    arch: process.arch,
  });
  return assemble(daemon.url, stateDir, options.engine ?? engineSocket(), (onExit) => daemon.stop(onExit));
}

/** As a process of its own: `cloister serve`. */
export async function spawnTestDaemon(options: TestDaemonOptions = {}): Promise<SpawnedDaemon> {
  const stateDir = options.stateDir ?? (await newStateDir());
  const file = join(stateDir, 'test-config.json');
  await writeFile(
    file,
    JSON.stringify({ ...optionsOf(stateDir, options), log: { level: logLevel() === 'fatal' ? 'silent' : logLevel() } }),
  );
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('CLOISTER_') && name !== 'DOCKER_HOST' && name !== 'NODE_OPTIONS'),
  );
  const argv = ['--import', 'tsx', join(PACKAGE_ROOT, 'daemon', 'main.ts'), 'serve', '--config', file];
  const child = spawn(process.execPath, argv, { cwd: PACKAGE_ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const { url } = JSON.parse(await firstLine(child)) as { url: string };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  const daemon = assemble(url, stateDir, options.engine ?? engineSocket(), () => end('SIGTERM'));
  return { ...daemon, pid: child.pid ?? 0, crash: () => end('SIGKILL') };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const limit = setTimeout(() => child.kill('SIGKILL'), READY_LIMIT_MS);
  const first = await lines.next();
  clearTimeout(limit);
  child.stdout?.resume();
  if (first.done === true) throw new Error('the daemon ended before it was ready');
  return first.value;
}

function assemble(url: string, stateDir: string, engine: string, end: (onExit: OnExit) => Promise<void>): TestDaemon {
  const driver = new DockerDriver({ socketPath: engine });
  const clients: Cloister[] = [];
  const token = async (tenant: string | null, options: TokenOptions = {}): Promise<string> =>
    createToken(
      await KeyRing.open(keyPathOf(stateDir)),
      {
        tenant: tenant === null ? null : TenantName.parse(tenant),
        role: options.role ?? 'tenant',
        session: options.session === undefined ? null : SessionName.parse(options.session),
        isReadOnly: options.isReadOnly ?? false,
        ttlMs: options.ttlMs ?? 3_600_000,
      },
      Date.now(),
    );
  const containers = async (): Promise<readonly string[]> => {
    const instance = (await readFile(join(stateDir, 'instance-id'), 'utf8').catch(() => '')).trim();
    if (instance === '') return [];
    return (await driver.list({ labels: { 'cloister.instance': instance }, all: true })).map(({ id }) => id);
  };
  let isStopped = false;
  const stop = async (onExit: OnExit): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await end(onExit);
  };
  return {
    url,
    stateDir,
    driver,
    token,
    connect: async (tenant, options = {}) => {
      const client = await Cloister.connect({ url, token: await token(tenant), ...options });
      clients.push(client);
      return client;
    },
    containers,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('close');
      // Only what a failed test left: a daemon that was killed, or one that was told to keep its sandboxes.
      for (const id of await containers()) await driver.remove(id, { force: true });
      await unmountAllUnder(stateDir);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
