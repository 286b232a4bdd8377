// Which engine the daemon works with: the configured or found one, else a private one. Checks that it can enforce
// what sandboxes need, and refuses otherwise.

import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { DockerDriver } from './docker-driver.ts';
import { DockerImages } from './docker-images.ts';
import type { ContainerDriver, EngineInfo, ImageDriver } from './driver.ts';
import { findEngine } from './engine/find-engine.ts';
import { type PrivateEngine, startPrivateEngine } from './engine/private-engine.ts';

export interface OpenEngineOptions {
  readonly stateDir: string;
  readonly socketPath: string | undefined;
  readonly dockerHost: string | undefined;
  readonly mode: 'auto' | 'always' | 'never';
  /** Runtimes that sandboxes may use. */
  readonly runtimes: readonly string[];
  readonly log: Logger;
}

export interface OpenedEngine {
  readonly driver: ContainerDriver;
  readonly images: ImageDriver;
  /** Network of a build's steps that may use one; a private engine has no bridge, so there it is the host's. */
  readonly buildNetwork: 'host' | undefined;
  readonly info: EngineInfo;
  /** Runtimes of `runtimes` that the engine has. */
  readonly runtimes: readonly string[];
  /** Ends a private engine; leaves any other alone. */
  stop(): Promise<void>;
}

export async function openEngine(options: OpenEngineOptions): Promise<OpenedEngine> {
  const { privateEngine, socketPath } = await chooseEngine(options);
  try {
    const driver = new DockerDriver({ socketPath });
    const info = await driver.info();
    const missing = missingFeatures(info);
    if (missing.length > 0) {
      throw new SandboxError('ENFORCEMENT_MISMATCH', `Cannot use the engine at ${socketPath}: it lacks ${missing.join(', ')}`, {
        hint: 'Use an engine with seccomp and cgroup limits for memory, swap, processes and CPU.',
      });
    }
    const runtimes = options.runtimes.filter((runtime) => info.runtimes.includes(runtime));
    if (runtimes.length === 0)
      throw new SandboxError(
        'ENGINE_UNAVAILABLE',
        `Cannot use the engine at ${socketPath}: it has none of the runtimes ${options.runtimes.join(', ')}`,
      );
    return {
      driver,
      images: new DockerImages({ socketPath }),
      buildNetwork: privateEngine === null ? undefined : 'host',
      info,
      runtimes,
      stop: async () => privateEngine?.stop(),
    };
  } catch (error) {
    await privateEngine?.stop();
    throw error;
  }
}

async function chooseEngine(
  options: OpenEngineOptions,
): Promise<{ readonly privateEngine: PrivateEngine | null; readonly socketPath: string }> {
  if (options.mode !== 'always') {
    const found = await findEngine({ dockerHost: options.dockerHost, socketPath: options.socketPath });
    if (found.verdict === 'found') return { privateEngine: null, socketPath: found.socketPath };
    if (found.verdict === 'refused' || options.mode === 'never') {
      throw new SandboxError('ENGINE_UNAVAILABLE', `Cannot find a container engine: ${found.reason}`, {
        hint: 'Start the engine, set engine.socketPath, or set engine.private to "auto" and run npm run setup as root.',
      });
    }
  }
  const privateEngine = await startPrivateEngine({ stateDir: options.stateDir, log: options.log });
  return { privateEngine, socketPath: privateEngine.socketPath };
}

/** What the engine cannot enforce; a sandbox without it would be a promise not kept. */
export function missingFeatures(info: EngineInfo): string[] {
  const missing: string[] = [];
  if (!info.securityOptions.some((option) => option.startsWith('name=seccomp'))) missing.push('seccomp');
  if (!info.canLimitMemory) missing.push('a memory limit');
  if (!info.canLimitSwap) missing.push('a swap limit');
  if (!info.canLimitPids) missing.push('a process limit');
  if (!info.canLimitCpu) missing.push('a CPU limit');
  return missing;
}
