// The floor of free space under which nothing new is admitted. Owns the check; knows nothing of stores.

import { statfs } from 'node:fs/promises';
import { SandboxError } from '../../client/protocol/errors.ts';

export interface FreeSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export async function freeSpace(path: string): Promise<FreeSpace> {
  const { bsize, bavail, blocks } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Throws CAPACITY if the file system of any of `paths` has less than `floorBytes` free. */
export async function requireFreeSpace(paths: readonly string[], floorBytes: number): Promise<void> {
  for (const path of paths) {
    const { freeBytes } = await freeSpace(path);
    if (freeBytes >= floorBytes) continue;
    throw new SandboxError('CAPACITY', `Cannot admit a workspace: ${freeBytes} bytes are free at ${path}, the floor is ${floorBytes}`, {
      hint: 'Close sandboxes with workspace: delete, or ask the operator for more disk.',
    });
  }
}
