// Removing a container for sure. An engine that is away for a while must not make half a sandbox of one: its processes would
// live on beside those of its successor on the same workspace, and nobody would know of them.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { ContainerDriver } from '../container/driver.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 5000;

export interface RemoveContainerOptions {
  readonly driver: ContainerDriver;
  readonly clock: Clock;
  readonly log: Log;
  /** The daemon stops: the next one removes what is left. */
  readonly leaving: AbortSignal;
}

/** Resolves when it is gone; while the engine does not answer it is asked again. Rejects with what the engine refuses, or when the daemon stops. */
export async function removeContainer(id: string, { driver, clock, log, leaving }: RemoveContainerOptions): Promise<void> {
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(2 * delayMs, LAST_DELAY_MS)) {
    try {
      return await driver.remove(id, { force: true });
    } catch (error) {
      if (leaving.aborted || !SandboxError.is(error, 'ENGINE_UNAVAILABLE')) throw error;
      log.warn({ containerId: id, err: error, delayMs }, 'container not removed yet');
      await pause(delayMs, clock, leaving);
    }
  }
}

function pause(ms: number, clock: Clock, leaving: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      cancel();
      leaving.removeEventListener('abort', over);
      resolve();
    };
    const cancel = clock.after(ms, over);
    leaving.addEventListener('abort', over);
  });
}
