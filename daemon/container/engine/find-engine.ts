// Finds a container engine that is there already. Owns the order of the places to look and why one is refused;
// never starts nor configures one.
import { DockerDriver } from '../docker-driver.ts';

export const DEFAULT_SOCKET_PATH = '/var/run/docker.sock';

export interface FindEngineOptions {
  /** Value of DOCKER_HOST. */
  readonly dockerHost?: string | undefined;
  /** Socket named by the configuration; wins over DOCKER_HOST. */
  readonly socketPath?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type EngineCandidate =
  | { readonly verdict: 'try'; readonly socketPath: string; readonly origin: string; readonly isDemanded: boolean }
  | { readonly verdict: 'refuse'; readonly reason: string };

export type FoundEngine =
  | { readonly verdict: 'found'; readonly socketPath: string; readonly origin: string; readonly version: string }
  | { readonly verdict: 'absent'; readonly reason: string }
  | { readonly verdict: 'refused'; readonly reason: string };

/** Where to look, decided from the settings alone. An engine that was named is used or refused, never replaced. */
export function engineCandidate(options: Pick<FindEngineOptions, 'dockerHost' | 'socketPath'>): EngineCandidate {
  if (options.socketPath !== undefined && options.socketPath !== '') {
    return { verdict: 'try', socketPath: options.socketPath, origin: 'the configuration', isDemanded: true };
  }
  const host = options.dockerHost ?? '';
  if (host === '') return { verdict: 'try', socketPath: DEFAULT_SOCKET_PATH, origin: 'the default socket', isDemanded: false };
  const socketPath = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (socketPath !== undefined) return { verdict: 'try', socketPath, origin: 'DOCKER_HOST', isDemanded: true };
  return {
    verdict: 'refuse',
    reason: `DOCKER_HOST is ${host}: only unix:///path sockets are used, because workspaces and control sockets must be on the engine's own host`,
  };
}

export async function findEngine(options: FindEngineOptions): Promise<FoundEngine> {
  const candidate = engineCandidate(options);
  if (candidate.verdict === 'refuse') return { verdict: 'refused', reason: candidate.reason };
  const { socketPath, origin } = candidate;
  try {
    const driver = new DockerDriver({ socketPath });
    const call = { timeoutMs: options.timeoutMs ?? 5_000, signal: options.signal };
    await driver.ping(call);
    const version = await driver.version(call);
    return { verdict: 'found', socketPath, origin, version: version.version };
  } catch (error) {
    options.signal?.throwIfAborted();
    const reason = `${origin} names ${socketPath}, and ${error instanceof Error ? error.message : String(error)}`;
    return { verdict: candidate.isDemanded ? 'refused' : 'absent', reason };
  }
}
