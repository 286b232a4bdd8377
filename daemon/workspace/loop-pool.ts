// The btrfs pool in a sparse file: makes it once, mounts it through one loop device, adopts it after a crash.
// Owns the file, the loop device and the mount; must not know what is kept in the pool.

import { open, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { syncDirectory } from '../observe/atomic-file.ts';
import { freeSpace } from './free-space.ts';
import { type MountFlag, mountAt, requireFlags, unmount } from './mounts.ts';
import { runCommand, tryCommand } from './run-command.ts';

export const POOL_FLAGS: readonly MountFlag[] = ['nosuid', 'nodev', 'noatime'];
const DEFAULT_POOL_BYTES = 64 * 1024 ** 3;
const MIN_POOL_BYTES = 256 * 1024 ** 2;
/** Part of the disk's free space that a pool of default size may fill. */
const MAX_SHARE_OF_FREE = 0.8;
const MKFS_TIMEOUT_MS = 120_000;

const losetupSchema = z.object({ loopdevices: z.array(z.object({ name: z.string().regex(/^\/dev\/loop\d+$/) })) });

export interface LoopPoolOptions {
  readonly poolFile: string;
  readonly mountPoint: string;
  /** Size of a new pool file; an existing one keeps its own. */
  readonly poolBytes?: number | undefined;
  readonly log: Logger;
}

/** Has the pool mounted at the mount point, rw,nosuid,nodev,noatime. */
export async function openLoopPool(options: LoopPoolOptions): Promise<void> {
  const { poolFile, mountPoint, log } = options;
  await mkdir(mountPoint, { recursive: true, mode: 0o700 });
  await ensurePoolFile(options);
  const loops = await loopsOf(poolFile);
  const present = await mountAt(mountPoint);
  if (present !== undefined) {
    if (present.fsType !== 'btrfs' || !loops.includes(present.source)) {
      throw new SandboxError(
        'INTERNAL',
        `Cannot mount the workspace pool: ${present.source} (${present.fsType}) is mounted at ${mountPoint}`,
        {
          hint: `Unmount ${mountPoint}, or configure the pool file that is mounted there.`,
        },
      );
    }
  } else if (loops[0] === undefined) {
    await mountPool(poolFile, ['loop'], mountPoint);
  } else {
    // The pool is still attached, for example mounted in another mount namespace: a second device on it would corrupt it.
    await mountPool(loops[0], [], mountPoint);
  }
  await requireFlags(mountPoint, POOL_FLAGS);
  const device = (await mountAt(mountPoint))?.source;
  const direct = device === undefined ? undefined : await tryCommand('losetup', ['--direct-io=on', device]);
  log.info({ poolFile, mountPoint, device, adopted: present !== undefined, directIo: direct?.exitCode === 0 }, 'workspace pool mounted');
}

/** Unmounts the pool; the loop device goes with it (autoclear). */
export async function closeLoopPool(poolFile: string, mountPoint: string): Promise<void> {
  await unmount(mountPoint);
  for (const device of await loopsOf(poolFile)) await tryCommand('losetup', ['--detach', device]);
}

async function mountPool(source: string, extra: readonly string[], mountPoint: string): Promise<void> {
  // discard gives the space of deleted workspaces back to the host through the sparse file.
  const settings = [...extra, ...POOL_FLAGS, 'discard=async'].join(',');
  await runCommand('mount', ['--no-mtab', '-t', 'btrfs', '-o', settings, source, mountPoint]);
}

async function loopsOf(poolFile: string): Promise<string[]> {
  const text = await runCommand('losetup', ['--json', '--list', '--output', 'NAME', '--associated', poolFile]);
  if (text.trim() === '') return [];
  return losetupSchema.parse(JSON.parse(text)).loopdevices.map(({ name }) => name);
}

/** The file appears under its name only when it holds a complete file system. */
async function ensurePoolFile(options: LoopPoolOptions): Promise<void> {
  const { poolFile, log } = options;
  const present = await stat(poolFile).catch(() => undefined);
  if (present?.isFile() === true) {
    if (options.poolBytes !== undefined && options.poolBytes !== present.size) {
      log.warn({ poolFile, bytes: present.size, configuredBytes: options.poolBytes }, 'workspace pool keeps its size');
    }
    return;
  }
  const bytes = await newPoolBytes(dirname(poolFile), options.poolBytes);
  const unfinished = `${poolFile}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.truncate(bytes);
    // One copy of metadata: a second one in the same file survives nothing that the first does not.
    await runCommand('mkfs.btrfs', ['--quiet', '--metadata', 'single', '--data', 'single', unfinished], { timeoutMs: MKFS_TIMEOUT_MS });
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, poolFile);
  await syncDirectory(dirname(poolFile));
  log.info({ poolFile, bytes }, 'workspace pool made');
}

async function newPoolBytes(directory: string, configured: number | undefined): Promise<number> {
  const { freeBytes } = await freeSpace(directory);
  const wanted = configured ?? Math.min(DEFAULT_POOL_BYTES, Math.floor(freeBytes * MAX_SHARE_OF_FREE));
  const bytes = wanted - (wanted % 4096);
  if (bytes < MIN_POOL_BYTES) {
    throw new SandboxError('CAPACITY', `Cannot make a workspace pool of ${bytes} bytes: the least is ${MIN_POOL_BYTES}`, {
      hint: 'Free disk space or set workspace.poolBytes.',
    });
  }
  if (bytes > freeBytes) {
    throw new SandboxError('CAPACITY', `Cannot make a workspace pool of ${bytes} bytes: ${freeBytes} are free at ${directory}`, {
      hint: 'Set workspace.poolBytes to less than the free space, or workspace.poolFile to another disk.',
    });
  }
  return bytes;
}
