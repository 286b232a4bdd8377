// The btrfs(8) verbs that the store needs, one function each. Owns their arguments and the meaning of their failures;
// must not know workspaces or tenants. Output that holds paths is never parsed: tenants choose file names.

import { lstat } from 'node:fs/promises';
import { SandboxError } from '../../client/protocol/errors.ts';
import { CommandError, runCommand, tryCommand } from './run-command.ts';

const SUBVOLUME_ROOT_INODE = 256;
const TIMEOUT_MS = 60_000;
const RESCAN_TIMEOUT_MS = 600_000;
const WALK_TIMEOUT_MS = 300_000;

async function btrfs(args: readonly string[], timeoutMs: number = TIMEOUT_MS): Promise<string> {
  try {
    return await runCommand('btrfs', ['--quiet', ...args], { timeoutMs });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (/quota exceeded/i.test(error.stderr)) {
      throw new SandboxError('QUOTA_EXCEEDED', 'Cannot store more: the quota of the tenant is used up', {
        hint: 'Remove snapshots or workspaces of this tenant.',
        cause: error,
      });
    }
    if (/no space left/i.test(error.stderr))
      throw new SandboxError('CAPACITY', 'Cannot store more: the workspace pool is full', { cause: error });
    throw error;
  }
}

const inherit = (groups: readonly string[]): string[] => groups.flatMap((group) => ['-i', group]);

export async function createSubvolume(path: string, groups: readonly string[]): Promise<void> {
  await btrfs(['subvolume', 'create', ...inherit(groups), path]);
}

export async function snapshotSubvolume(
  source: string,
  target: string,
  options: { readonly isReadonly: boolean; readonly groups: readonly string[] },
): Promise<void> {
  await btrfs(['subvolume', 'snapshot', ...(options.isReadonly ? ['-r'] : []), ...inherit(options.groups), source, target]);
}

/** Deletes a subvolume; false if others are nested inside. */
export async function deleteSubvolume(path: string): Promise<boolean> {
  const output = await tryCommand('btrfs', ['--quiet', 'subvolume', 'delete', path], { timeoutMs: TIMEOUT_MS });
  if (output.exitCode === 0) return true;
  if (/not empty|operation not permitted|read-only/i.test(output.stderr)) return false;
  throw new CommandError(`Cannot delete subvolume ${path}: ${output.stderr.trim().slice(0, 500)}`, output.stderr);
}

/**
 * Deletes the subvolumes nested in `path`, deepest first, and returns their ids. Inode 256 is the root of a subvolume and of nothing
 * else; find works from the parent directory of each, so hostile names do not matter. Those beyond PATH_MAX are left, but writable.
 */
export async function deleteNestedSubvolumes(path: string): Promise<number[]> {
  const options = { timeoutMs: WALK_TIMEOUT_MS };
  const nested = ['-mindepth', '1', '-type', 'd', '-inum', String(SUBVOLUME_ROOT_INODE)];
  await tryCommand('chattr', ['-R', '-f', '-i', '-a', path], options);
  // The property prints nothing and must be cleared top-down: in a read-only subvolume no entry can be removed.
  await runCommand('find', [path, ...nested, '-execdir', 'btrfs', 'property', 'set', '-f', '-ts', '{}', 'ro', 'false', ';'], options);
  const ids = await runCommand('find', [path, ...nested, '-execdir', 'btrfs', 'inspect-internal', 'rootid', '{}', ';'], options);
  await runCommand('find', [path, '-depth', ...nested, '-execdir', 'btrfs', '--quiet', 'subvolume', 'delete', '{}', ';'], options);
  return ids
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
}

/** Whether the root of a subvolume is at `path`; takes no process. */
export async function isSubvolume(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() === true && found.ino === SUBVOLUME_ROOT_INODE;
}

/** Number of the subvolume whose root is at `path`; undefined if there is none. */
export async function subvolumeId(path: string): Promise<number | undefined> {
  // For any other directory btrfs would name the subvolume that contains it.
  if (!(await isSubvolume(path))) return undefined;
  const output = await tryCommand('btrfs', ['inspect-internal', 'rootid', path], { timeoutMs: TIMEOUT_MS });
  const text = output.stdout.trim();
  return output.exitCode === 0 && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** True unless the kernel says that no subvolume has this number. */
export async function mayExist(number: number, pool: string): Promise<boolean> {
  const output = await tryCommand('btrfs', ['inspect-internal', 'subvolid-resolve', String(number), pool], { timeoutMs: TIMEOUT_MS });
  // btrfs prints the negative errno here; 2 is ENOENT.
  return output.exitCode === 0 || !/\berror -2\b/.test(output.stderr);
}

/** Sets or clears the hard limit on referenced bytes of a group such as `0/257`. */
export async function limitQgroup(group: string, maxBytes: number | null, pool: string): Promise<void> {
  await btrfs(['qgroup', 'limit', maxBytes === null ? 'none' : String(maxBytes), group, pool]);
}

export async function createQgroup(group: string, pool: string): Promise<void> {
  await btrfs(['qgroup', 'create', group, pool]);
}

/** Destroys a group; false if it still has members or its subvolume is not dropped yet. */
export async function destroyQgroup(group: string, pool: string): Promise<boolean> {
  const output = await tryCommand('btrfs', ['--quiet', 'qgroup', 'destroy', group, pool], { timeoutMs: TIMEOUT_MS });
  return output.exitCode === 0 || /no such file/i.test(output.stderr);
}

export async function assignQgroup(member: string, parent: string, pool: string): Promise<void> {
  await btrfs(['qgroup', 'assign', '--no-rescan', member, parent, pool]);
}

export async function enableQuota(pool: string): Promise<void> {
  await btrfs(['quota', 'enable', pool]);
}

/** Recounts everything and waits for the end. */
export async function rescanQuota(pool: string): Promise<void> {
  await btrfs(['quota', 'rescan', '-w', pool], RESCAN_TIMEOUT_MS);
}

/** Commits, which also sets the kernel to drop deleted subvolumes. */
export async function syncFileSystem(path: string): Promise<void> {
  await btrfs(['filesystem', 'sync', path]);
}
