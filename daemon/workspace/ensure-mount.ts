// Adopt-or-make for mounts that outlive the daemon: what a killed daemon left is checked and reused, never doubled.
// Owns that decision; the mounting itself is mounts.ts, the meaning of a mount its caller's.

import { mkdir, stat } from 'node:fs/promises';
import { SandboxError } from '../../client/protocol/errors.ts';
import { bindMount, type MountFlag, mountAt, mountTmpfs, requireFlags, type TmpfsOptions, unmount } from './mounts.ts';

const SECURITY_FLAGS: readonly MountFlag[] = ['ro', 'nosuid', 'nodev', 'noexec'];

/** Has a tmpfs at `target`; true if it was there already with its content. */
export async function ensureTmpfs(target: string, options: TmpfsOptions): Promise<boolean> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  const present = await mountAt(target);
  if (present === undefined) {
    await mountTmpfs(target, options);
    return false;
  }
  if (present.fsType !== 'tmpfs') {
    throw new SandboxError('INTERNAL', `Cannot use ${target}: a ${present.fsType} is mounted there`, {
      hint: 'Unmount it; Cloister mounts this directory itself.',
    });
  }
  await requireFlags(target, options.flags);
  return true;
}

/**
 * Has `source` bound at `target` with these flags (`source` may be `target` itself).
 * A bind of something else, or one that a crash left half-made, is replaced.
 */
export async function ensureBind(source: string, target: string, flags: readonly MountFlag[]): Promise<boolean> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  if (await isBoundAs(source, target, flags)) return true;
  await unmount(target);
  await bindMount(source, target, flags);
  return false;
}

async function isBoundAs(source: string, target: string, flags: readonly MountFlag[]): Promise<boolean> {
  const present = await mountAt(target);
  if (present === undefined) return false;
  if (SECURITY_FLAGS.some((flag) => flags.includes(flag) !== present.flags.includes(flag))) return false;
  const [shown, wanted] = await Promise.all([stat(target), stat(source)]);
  return shown.dev === wanted.dev && shown.ino === wanted.ino;
}
