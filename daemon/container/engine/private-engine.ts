// A dockerd of Cloister's own: its own socket, data, exec root and cgroup below the state directory. Owns its start,
// adoption and end; never touches an engine it did not start, and knows nothing of sandboxes.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, statfs, truncate } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { DockerDriver } from '../docker-driver.ts';
import { missingControllers, readCgroupFacts } from './cgroup-support.ts';
import { type EngineLayout, engineArguments, engineLayout } from './engine-layout.ts';
import { clearCgroups, clearFiles, clearMounts, shimSockets } from './engine-leftovers.ts';
import { endProcess, findEngineProcesses, livePid } from './engine-processes.ts';
import { writeEngineConfiguration } from './engine-runtimes.ts';
import { findProgram, SEARCH_PATH } from './find-program.ts';

const START_TIMEOUT_MS = 60_000;
const ADOPT_TIMEOUT_MS = 15_000;
const STOP_GRACE_MS = 15_000;
const POLL_MS = 50;
const LOG_CHECK_MS = 60_000;
const MAX_LOG_BYTES = 16 << 20;
const OVERLAYFS_MAGIC = 0x794c7630;

export interface PrivateEngineOptions {
  readonly stateDir: string;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

export interface PrivateEngine extends AsyncDisposable {
  readonly socketPath: string;
  readonly pid: number;
  /** True when it was running already, left by an earlier process. */
  readonly isAdopted: boolean;
  /** Ends its containers, itself and its containerd; leaves no process, mount or socket. Images and records stay. */
  stop(): Promise<void>;
  /** Forgets the engine and leaves it running, to be adopted later. */
  release(): void;
}

export async function startPrivateEngine(options: PrivateEngineOptions): Promise<PrivateEngine> {
  const layout = engineLayout(options.stateDir);
  options.signal?.throwIfAborted();
  const adopted = await adoptEngine(layout, options.signal);
  if (adopted !== null) {
    options.log.info({ pid: adopted, socketPath: layout.socketPath }, 'private engine adopted');
    return engineHandle(layout, adopted, true, options.log);
  }
  const startedAt = performance.now();
  const pid = await spawnEngine(layout, options.signal);
  options.log.info({ pid, socketPath: layout.socketPath, ms: Math.round(performance.now() - startedAt) }, 'private engine started');
  return engineHandle(layout, pid, false, options.log);
}

/** True when a private engine of this state directory runs and answers. */
export async function isPrivateEngineRunning(stateDir: string): Promise<boolean> {
  const layout = engineLayout(stateDir);
  if ((await livePid(layout.pidFile, 'dockerd', layout)) === null) return false;
  return answers(layout, 2_000);
}

function engineFailure(cause: string, hint: string): SandboxError {
  return new SandboxError('ENGINE_UNAVAILABLE', `Cannot start the private engine: ${cause}`, { hint });
}

function answers(layout: EngineLayout, timeoutMs: number): Promise<boolean> {
  return new DockerDriver({ socketPath: layout.socketPath }).ping({ timeoutMs }).then(
    () => true,
    () => false,
  );
}

async function waitForAnswer(
  layout: EngineLayout,
  withinMs: number,
  isOver: () => boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline && !isOver()) {
    signal?.throwIfAborted();
    if (await answers(layout, 2_000)) return true;
    await sleep(POLL_MS, undefined, { signal });
  }
  return false;
}

async function adoptEngine(layout: EngineLayout, signal: AbortSignal | undefined): Promise<number | null> {
  const pid = await livePid(layout.pidFile, 'dockerd', layout);
  if (pid === null) {
    // The engine believes any live pid in its pid files, also one that was given to somebody else since.
    await rm(layout.pidFile, { force: true });
    if ((await livePid(layout.containerdPidFile, 'containerd', layout)) === null) await rm(layout.containerdPidFile, { force: true });
    return null;
  }
  if (await waitForAnswer(layout, ADOPT_TIMEOUT_MS, () => false, signal)) return pid;
  // Hung: a new one takes its containers over, as they outlive it.
  await endProcess({ pid, role: 'dockerd' }, layout, STOP_GRACE_MS);
  await rm(layout.pidFile, { force: true });
  return null;
}

async function checkHost(): Promise<string> {
  const missing = missingControllers(await readCgroupFacts());
  if (missing.length > 0)
    throw engineFailure(
      `/sys/fs/cgroup lacks the controllers ${missing.join(', ')}`,
      `Mount them (for example mount -t cgroup -o ${missing[0]} cgroup /sys/fs/cgroup/${missing[0]}), or use a host with cgroup v2.`,
    );
  const programs = await Promise.all(
    ['dockerd', 'containerd', 'containerd-shim-runc-v2', 'runc'].map(async (name) => ({ name, found: await findProgram(name) })),
  );
  const absent = programs.filter((program) => program.found === null).map((program) => program.name);
  if (absent.length > 0)
    throw engineFailure(
      `${absent.join(', ')} not found in ${SEARCH_PATH.join(':')}`,
      'Run the set-up as root (npm run setup), which installs docker.io, or start an engine and set DOCKER_HOST.',
    );
  return programs[0]?.found ?? 'dockerd';
}

async function spawnEngine(layout: EngineLayout, signal: AbortSignal | undefined): Promise<number> {
  const program = await checkHost();
  await mkdir(layout.directory, { recursive: true, mode: 0o700 });
  await mkdir(layout.dataRoot, { recursive: true, mode: 0o710 });
  await writeEngineConfiguration(layout);
  const hasOverlay = (await statfs(layout.dataRoot)).type !== OVERLAYFS_MAGIC;
  await rename(layout.logFile, `${layout.logFile}.1`).catch(() => undefined);
  const logHandle = await open(layout.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(program, engineArguments(layout, { hasOverlay }), {
      detached: true,
      cwd: '/',
      stdio: ['ignore', logHandle.fd, logHandle.fd],
      env: { PATH: SEARCH_PATH.join(':'), HOME: '/root', LANG: 'C.UTF-8' },
    });
  } finally {
    await logHandle.close();
  }
  let ending: string | null = null;
  child.once('error', (error) => (ending = error.message));
  child.once('exit', (code, killedBy) => (ending = `dockerd ended with ${killedBy ?? `exit code ${code}`}`));
  child.unref();
  try {
    if ((await waitForAnswer(layout, START_TIMEOUT_MS, () => ending !== null, signal)) && child.pid !== undefined && ending === null)
      return child.pid;
  } catch (error) {
    await endChild(child, layout);
    throw error;
  }
  await endChild(child, layout);
  // Another process may have started the same engine at the same moment; then its engine is the one to use.
  const rival = await livePid(layout.pidFile, 'dockerd', layout);
  if (rival !== null && rival !== child.pid && (await waitForAnswer(layout, START_TIMEOUT_MS, () => false, signal))) return rival;
  throw engineFailure(
    `${ending ?? `it did not answer within ${START_TIMEOUT_MS / 1000} s`}; ${await lastWords(layout)}`,
    `Read ${layout.logFile}, correct the cause and start again.`,
  );
}

async function endChild(child: ChildProcess, layout: EngineLayout): Promise<void> {
  if (child.pid !== undefined) await endProcess({ pid: child.pid, role: 'dockerd' }, layout, STOP_GRACE_MS);
}

async function lastWords(layout: EngineLayout): Promise<string> {
  const text = await readFile(layout.logFile, 'utf8').catch(() => '');
  const lines = text
    .trim()
    .split('\n')
    .slice(-3)
    .map((line) => line.slice(0, 300));
  return `its log ends: ${lines.join(' | ')}`;
}

function engineHandle(layout: EngineLayout, pid: number, isAdopted: boolean, log: Logger): PrivateEngine {
  // The engine appends, so cutting its log under it is safe and bounds it.
  const cutLog = async (): Promise<void> => {
    if ((await stat(layout.logFile)).size > MAX_LOG_BYTES) await truncate(layout.logFile, 0);
  };
  const timer = setInterval(() => void cutLog().catch(() => undefined), LOG_CHECK_MS).unref();
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await stopEngine(layout, log);
  };
  return { socketPath: layout.socketPath, pid, isAdopted, stop, release: () => clearInterval(timer), [Symbol.asyncDispose]: stop };
}

async function stopEngine(layout: EngineLayout, log: Logger): Promise<void> {
  const startedAt = performance.now();
  await endContainers(layout);
  const sockets = await shimSockets(layout);
  const survivors: number[] = [];
  for (const role of ['dockerd', 'shim', 'containerd'] as const) {
    const targets = (await findEngineProcesses(layout)).filter((target) => target.role === role);
    const ended = await Promise.all(
      targets.map(async (target) => ({ target, isGone: await endProcess(target, layout, role === 'shim' ? 1_000 : STOP_GRACE_MS) })),
    );
    survivors.push(...ended.filter((entry) => !entry.isGone).map((entry) => entry.target.pid));
  }
  const cgroups = await clearCgroups(layout);
  const mounts = await clearMounts(layout);
  if (mounts.length === 0 && survivors.length === 0) await clearFiles(layout, sockets);
  log.info(
    { socketPath: layout.socketPath, ms: Math.round(performance.now() - startedAt), survivors, cgroups, mounts },
    'private engine stopped',
  );
  if (survivors.length + mounts.length + cgroups.length > 0) {
    throw new SandboxError(
      'ENGINE_UNAVAILABLE',
      `Cannot stop the private engine: left are processes [${survivors.join(' ')}], mounts [${mounts.join(' ')}], cgroups [${cgroups.join(' ')}]`,
    );
  }
}

// The polite way first, so that the engine unmounts and records by itself; what does not answer is killed by its cgroup.
async function endContainers(layout: EngineLayout): Promise<void> {
  const driver = new DockerDriver({ socketPath: layout.socketPath, timeoutMs: 10_000 });
  const running = await driver.list().catch(() => []);
  await Promise.allSettled(
    running.map(async (container) => {
      if (container.state === 'paused') await driver.unpause(container.id);
      await driver.kill(container.id);
      await driver.waitForEnd(container.id, { timeoutMs: 10_000 });
    }),
  );
}
