// Opens the file system that holds the workspaces: a pool file, or the btrfs that the state directory lies on.
// Owns <stateDir>/pool and its read-only view pool-ro; must not know workspaces.

import { chmod, mkdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import { enableQuota, rescanQuota } from './btrfs-command.ts';
import { ensureBind } from './ensure-mount.ts';
import { closeLoopPool, openLoopPool, POOL_FLAGS } from './loop-pool.ts';
import { containingMount, readMountTable } from './mount-table.ts';
import { mountAt, removeMountStages, unmountAllUnder } from './mounts.ts';
import { QgroupFiles } from './qgroup-files.ts';

const BTRFS_MAGIC = 0x9123683e;

export interface BtrfsPoolOptions {
  /** Canonical path of the state directory. */
  readonly stateDir: string;
  readonly poolFile?: string | undefined;
  readonly poolBytes?: number | undefined;
  readonly log: Logger;
}

export interface BtrfsPool {
  readonly path: string;
  readonly readonlyPath: string;
  /** Nobody else keeps anything in this file system. */
  readonly isOwn: boolean;
  /** File systems whose free space the pool depends on. */
  readonly disks: readonly string[];
  readonly qgroups: QgroupFiles;
  close(): Promise<void>;
}

export async function openBtrfsPool(options: BtrfsPoolOptions): Promise<BtrfsPool> {
  const { stateDir } = options;
  const path = join(stateDir, 'pool');
  const readonlyPath = join(stateDir, 'pool-ro');
  const poolFile = options.poolFile ?? join(stateDir, 'pool.btrfs');
  await removeMountStages(stateDir);
  const isOwnFile = options.poolFile !== undefined || !(await isOnBtrfsWithQuotas(stateDir));
  if (isOwnFile) await openLoopPool({ poolFile, mountPoint: path, poolBytes: options.poolBytes, log: options.log });
  else await bindExisting(stateDir, path);
  await refuseUserDeletion(path);
  await chmod(path, 0o700);
  const qgroups = await qgroupsAt(path);
  await requireQuotas(qgroups, path, isOwnFile);
  await ensureBind(path, readonlyPath, ['ro', 'nosuid', 'nodev']);
  return {
    path,
    readonlyPath,
    isOwn: isOwnFile,
    disks: isOwnFile ? [path, dirname(poolFile)] : [path],
    qgroups,
    close: async () => {
      await unmountAllUnder(readonlyPath);
      if (isOwnFile) await closeLoopPool(poolFile, path);
      else await unmountAllUnder(path);
    },
  };
}

/** An operator's file system is used as it is: turning quotas on there would change it for everyone. */
async function isOnBtrfsWithQuotas(stateDir: string): Promise<boolean> {
  if ((await statfs(stateDir)).type !== BTRFS_MAGIC) return false;
  return await (await qgroupsAt(stateDir)).isEnabled();
}

async function qgroupsAt(path: string): Promise<QgroupFiles> {
  const device = containingMount(await readMountTable(), path)?.source;
  if (device === undefined) throw new SandboxError('INTERNAL', `Cannot find the device of ${path}: no mount contains it`);
  return await QgroupFiles.ofDevice(device);
}

async function bindExisting(stateDir: string, path: string): Promise<void> {
  const data = join(stateDir, 'pool-data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  await ensureBind(data, path, POOL_FLAGS);
}

async function refuseUserDeletion(path: string): Promise<void> {
  if ((await mountAt(path))?.superOptions.includes('user_subvol_rm_allowed') !== true) return;
  throw new SandboxError('ENFORCEMENT_MISMATCH', 'Cannot use this btrfs for workspaces: it is mounted with user_subvol_rm_allowed', {
    hint: 'Mount it without that option, or set workspace.poolFile.',
  });
}

async function requireQuotas(qgroups: QgroupFiles, path: string, mayEnable: boolean): Promise<void> {
  if (mayEnable && !(await qgroups.isEnabled())) await enableQuota(path);
  if (!(await qgroups.isEnabled())) {
    throw new SandboxError('ENFORCEMENT_MISMATCH', 'Cannot enforce workspace quotas: the kernel does not report btrfs quotas as enabled', {
      hint: 'Linux 6.1 or newer with /sys mounted is needed for the btrfs store.',
    });
  }
  await qgroups.accountEveryDeletion();
  await recountIfNeeded(qgroups, path);
}

/** Limits hold only while the kernel's accounting is consistent. */
export async function recountIfNeeded(qgroups: QgroupFiles, path: string): Promise<void> {
  if (!(await qgroups.isInconsistent())) return;
  await rescanQuota(path);
  if (!(await qgroups.isInconsistent())) return;
  throw new SandboxError(
    'ENFORCEMENT_MISMATCH',
    `Cannot enforce workspace quotas: btrfs accounting at ${path} stays inconsistent after a rescan`,
  );
}
