// Host mounts of the daemon, by mount(8) and umount(8), each read back from the kernel before it counts.
// Owns how a mount is made and unmade; must not know what is mounted or why.

import { randomBytes } from 'node:crypto';
import { mkdir, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
import { containingMount, type MountEntry, mountsUnder, readMountTable, topMountAt } from './mount-table.ts';
import { runCommand, tryCommand } from './run-command.ts';

export type MountFlag = 'ro' | 'nosuid' | 'nodev' | 'noexec' | 'noatime';

const OPPOSITES = [
  ['ro', 'rw'],
  ['nosuid', 'suid'],
  ['nodev', 'dev'],
  ['noexec', 'exec'],
] as const;
const STAGE_PREFIX = '.mount-stage-';
/** Mounts stacked on one path before unmounting gives up. */
const MAX_STACK = 16;

export interface TmpfsOptions {
  readonly sizeBytes: number;
  /** Most files and directories it can hold. */
  readonly inodes: number;
  readonly mode: number;
  readonly flags: readonly MountFlag[];
}

/** Mounts an empty, bounded tmpfs on an existing directory. */
export async function mountTmpfs(target: string, options: TmpfsOptions): Promise<void> {
  const settings = [...options.flags, `mode=${options.mode.toString(8)}`, `size=${options.sizeBytes}`, `nr_inodes=${options.inodes}`];
  await runCommand('mount', ['--no-mtab', '-t', 'tmpfs', '-o', settings.join(','), 'cloister', target]);
  await requireFlags(target, options.flags);
}

/**
 * Shows `source` (a directory or file) at `target` with exactly these flags, missing targets created as directories.
 * Under a shared parent the bind is finished on a private stage and then moved into place, because a change of flags
 * does not propagate: a copy in the engine's mount namespace would stay writable.
 */
export async function bindMount(source: string, target: string, flags: readonly MountFlag[]): Promise<void> {
  const parent = containingMount(await readMountTable(), target);
  if (parent?.isShared === true) await bindOnStage(source, target, flags);
  else await bindWithFlags(source, target, flags);
  try {
    await requireFlags(target, flags);
  } catch (error) {
    await unmount(target);
    throw error;
  }
}

async function bindWithFlags(source: string, target: string, flags: readonly MountFlag[]): Promise<void> {
  await runCommand('mount', ['--no-mtab', '--bind', source, target]);
  try {
    await remountFlags(target, flags);
  } catch (error) {
    await unmount(target);
    throw error;
  }
}

async function bindOnStage(source: string, target: string, flags: readonly MountFlag[]): Promise<void> {
  const stage = join(dirname(target), `${STAGE_PREFIX}${randomBytes(6).toString('hex')}`);
  const inner = join(stage, 'mount');
  await mkdir(stage, { mode: 0o700 });
  try {
    await mountTmpfs(stage, { sizeBytes: 65_536, inodes: 8, mode: 0o700, flags: ['nosuid', 'nodev', 'noexec'] });
    await runCommand('mount', ['--no-mtab', '--make-private', stage]);
    if ((await stat(source)).isDirectory()) await mkdir(inner);
    else await writeFile(inner, '');
    await bindWithFlags(source, inner, flags);
    await runCommand('mount', ['--no-mtab', '--make-private', inner]);
    await runCommand('mount', ['--no-mtab', '--move', inner, target]);
  } finally {
    await unmountAllUnder(stage);
    await rmdir(stage);
  }
}

/** Removes what a crash in the middle of a bind left in `directory`. Never call it while a bind there is under way. */
export async function removeMountStages(directory: string): Promise<void> {
  const stages = new Set<string>();
  for (const { target } of await listMounts(directory)) {
    const name = target.slice(directory.length + 1).split('/')[0] ?? '';
    if (name.startsWith(STAGE_PREFIX)) stages.add(join(directory, name));
  }
  for (const stage of stages) {
    await unmountAllUnder(stage);
    await rmdir(stage);
  }
}

/** Sets the flags of one existing mount (not of its file system); flags not named are cleared. */
export async function remountFlags(target: string, flags: readonly MountFlag[]): Promise<void> {
  // mount(8) keeps a flag of the present mount unless its opposite is named.
  const settings: string[] = OPPOSITES.map(([flag, opposite]) => (flags.includes(flag) ? flag : opposite));
  if (flags.includes('noatime')) settings.push('noatime');
  await runCommand('mount', ['--no-mtab', '-o', ['remount', 'bind', ...settings].join(','), target]);
}

/** Flags of the mount at exactly `path`, `undefined` if nothing is mounted there. */
export async function mountFlags(path: string): Promise<readonly string[] | undefined> {
  return (await mountAt(path))?.flags;
}

export async function mountAt(path: string): Promise<MountEntry | undefined> {
  return topMountAt(await readMountTable(), path);
}

/** Mounts at `prefix` and below it, children after their parents. */
export async function listMounts(prefix: string): Promise<MountEntry[]> {
  return mountsUnder(await readMountTable(), prefix);
}

/** Throws ENFORCEMENT_MISMATCH unless a mount at `path` carries all `flags`. */
export async function requireFlags(path: string, flags: readonly MountFlag[]): Promise<void> {
  const actual = await mountFlags(path);
  const missing = flags.filter((flag) => actual?.includes(flag) !== true);
  const unexpected = flags.includes('ro') || actual?.includes('ro') !== true ? [] : ['ro'];
  if (actual !== undefined && missing.length === 0 && unexpected.length === 0) return;
  const cause = actual === undefined ? 'nothing is mounted there' : `its flags are ${actual.join(',')}, not ${flags.join(',')}`;
  throw new SandboxError('ENFORCEMENT_MISMATCH', `Cannot use mount ${path}: ${cause}`);
}

/** Unmounts everything stacked at `path`; nothing mounted there is fine. Throws if the mount is busy. */
export async function unmount(path: string): Promise<void> {
  for (let depth = 0; depth < MAX_STACK; depth += 1) {
    if ((await mountAt(path)) === undefined) return;
    await runCommand('umount', ['--no-mtab', path]);
  }
  throw new SandboxError('INTERNAL', `Cannot unmount ${path}: more than ${MAX_STACK} mounts are stacked there`);
}

/** Unmounts all at and below `prefix`, deepest first; what stays busy is detached lazily and named in the result. */
export async function unmountAllUnder(prefix: string): Promise<{ readonly detached: readonly string[] }> {
  const detached: string[] = [];
  for (const { target } of (await listMounts(prefix)).toReversed()) {
    const output = await tryCommand('umount', ['--no-mtab', target]);
    if (output.exitCode === 0 || (await mountAt(target)) === undefined) continue;
    await runCommand('umount', ['--no-mtab', '--lazy', target]);
    detached.push(target);
  }
  return { detached };
}
