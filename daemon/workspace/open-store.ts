// Chooses and opens the workspace store. Owns that choice and its refusals; never falls back silently.

import { access, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { openBtrfsPool } from './btrfs-pool.ts';
import { BtrfsStore } from './btrfs-store.ts';
import { DirectoryStore } from './directory-store.ts';
import { tryCommand } from './run-command.ts';
import type { WorkspaceStore } from './store.ts';

const DEFAULT_FLOOR_BYTES = 1024 ** 3;
const BTRFS_TOOLS = ['btrfs', 'mkfs.btrfs', 'losetup'];

export interface OpenWorkspaceStoreOptions {
  readonly stateDir: string;
  readonly kind: 'auto' | 'btrfs' | 'directory';
  /** Sparse pool file, <stateDir>/pool.btrfs unless given. */
  readonly poolFile?: string | undefined;
  /** Size of a new pool file; 64 GiB, or what the disk allows, unless given. */
  readonly poolBytes?: number | undefined;
  /** The operator accepts workspaces without a hard quota (`quota: "none"`). */
  readonly acceptNoQuota: boolean;
  /** Free bytes under which nothing is created; 1 GiB, or an eighth of a small pool, unless given. */
  readonly floorBytes?: number | undefined;
  /** Hard limit of a tenant over workspaces and snapshots; none unless given. */
  readonly tenantMaxBytes?: ((tenant: string) => number | null) | undefined;
  readonly log: Logger;
}

export async function openWorkspaceStore(options: OpenWorkspaceStoreOptions): Promise<WorkspaceStore> {
  const stateDir = await realpath(options.stateDir);
  // A small pool must be able to admit something.
  const floorBytes = options.floorBytes ?? Math.min(DEFAULT_FLOOR_BYTES, Math.floor((options.poolBytes ?? Number.POSITIVE_INFINITY) / 8));
  if (options.kind === 'directory') return await openDirectories(options, stateDir, floorBytes);
  const missing = await whyNoBtrfs();
  if (missing === undefined) {
    const pool = await openBtrfsPool({ stateDir, poolFile: options.poolFile, poolBytes: options.poolBytes, log: options.log });
    return await BtrfsStore.open({ pool, floorBytes, tenantMaxBytes: options.tenantMaxBytes ?? (() => null), log: options.log });
  }
  const poolFile = options.poolFile ?? join(stateDir, 'pool.btrfs');
  if (options.kind === 'btrfs' || !options.acceptNoQuota || (await exists(poolFile))) {
    throw new SandboxError('ENFORCEMENT_MISMATCH', `Cannot open the btrfs workspace store: ${missing}`, {
      hint: 'Install btrfs-progs on a kernel with btrfs, or accept workspaces without a disk limit: workspace.store "directory" and quota "none".',
    });
  }
  options.log.warn({ reason: missing }, 'workspaces have no disk limit: btrfs is not available and the operator accepts that');
  return await openDirectories(options, stateDir, floorBytes);
}

async function openDirectories(options: OpenWorkspaceStoreOptions, stateDir: string, floorBytes: number): Promise<WorkspaceStore> {
  return await DirectoryStore.open({ stateDir, acceptNoQuota: options.acceptNoQuota, floorBytes, log: options.log });
}

async function whyNoBtrfs(): Promise<string | undefined> {
  for (const tool of BTRFS_TOOLS) {
    const output = await tryCommand(tool, ['--version']).catch(() => undefined);
    if (output?.exitCode !== 0) return `the command ${tool} is missing`;
  }
  if (await kernelHasBtrfs()) return undefined;
  await tryCommand('modprobe', ['btrfs']).catch(() => undefined);
  return (await kernelHasBtrfs()) ? undefined : 'the kernel has no btrfs';
}

async function kernelHasBtrfs(): Promise<boolean> {
  return /^(?:nodev)?\s+btrfs$/m.test(await readFile('/proc/filesystems', 'utf8'));
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
