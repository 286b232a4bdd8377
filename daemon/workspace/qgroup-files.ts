// The kernel's own view of btrfs quota groups, from /sys/fs/btrfs/<uuid>/qgroups. Owns reading it; sets one tunable.
// Reading takes no process and names no path, so nothing that a tenant wrote can forge an answer.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { access, readdir, realpath, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';

const SYSFS_BTRFS = '/sys/fs/btrfs';
/** limit_flags bit: max_referenced is enforced. */
const LIMIT_REFERENCED = 1;
/** The deepest tree there can be: accounting then covers every deletion. */
const ACCOUNT_ALL_LEVELS = '8';

export interface QgroupState {
  readonly referencedBytes: number;
  /** Bytes promised to writes that are not on disk yet. */
  readonly reservedBytes: number;
  readonly maxReferencedBytes: number | null;
}

export class QgroupFiles {
  readonly #directory: string;
  readonly #text = Buffer.alloc(64);

  constructor(uuid: string, sysfs: string = SYSFS_BTRFS) {
    this.#directory = join(sysfs, uuid, 'qgroups');
  }

  /** The groups of the mounted btrfs that lies on a block device such as /dev/loop3. */
  static async ofDevice(device: string, sysfs: string = SYSFS_BTRFS): Promise<QgroupFiles> {
    const name = basename(await realpath(device).catch(() => device));
    for (const uuid of await readdir(sysfs)) {
      const isHere = await access(join(sysfs, uuid, 'devices', name)).then(
        () => true,
        () => false,
      );
      if (isHere) return new QgroupFiles(uuid, sysfs);
    }
    throw new SandboxError('ENFORCEMENT_MISMATCH', `Cannot read the quotas of ${device}: ${sysfs} lists no file system on it`);
  }

  async isEnabled(): Promise<boolean> {
    return (await this.#read('enabled')) === '1';
  }

  /** True when the kernel has stopped accounting: limits then hold nothing until a rescan. */
  async isInconsistent(): Promise<boolean> {
    return (await this.#read('inconsistent')) !== '0';
  }

  /**
   * By default a kernel gives up accounting when a big snapshot is dropped, and every limit with it.
   * Kernels without the tunable always account. Lost at unmount, so set at each open.
   */
  async accountEveryDeletion(): Promise<void> {
    try {
      await writeFile(join(this.#directory, 'drop_subtree_threshold'), ACCOUNT_ALL_LEVELS, { flag: 'r+' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** State of a group such as `0/257`; undefined if there is none. */
  async state(group: string): Promise<QgroupState | undefined> {
    const directory = group.replace('/', '_');
    const [referenced, reserved, flags, maximum] = await Promise.all(
      ['referenced', 'rsv_data', 'limit_flags', 'max_referenced'].map((name) => this.#read(join(directory, name))),
    );
    if (referenced === undefined || flags === undefined || maximum === undefined) return undefined;
    const isLimited = (parseCount(flags) & LIMIT_REFERENCED) !== 0;
    return {
      referencedBytes: parseCount(referenced),
      reservedBytes: parseCount(reserved ?? '0'),
      maxReferencedBytes: isLimited ? parseCount(maximum) : null,
    };
  }

  /** Bytes a group has used, promised ones with them; 0 if there is no such group. For every command: it takes microseconds. */
  used(group: string): number {
    const directory = join(this.#directory, group.replace('/', '_'));
    try {
      return this.#count(`${directory}/referenced`) + this.#count(`${directory}/rsv_data`);
    } catch {
      return 0;
    }
  }

  #count(path: string): number {
    const fd = openSync(path, 'r');
    try {
      return parseCount(this.#text.toString('latin1', 0, readSync(fd, this.#text, 0, this.#text.length, 0)).trim());
    } finally {
      closeSync(fd);
    }
  }

  async exists(group: string): Promise<boolean> {
    return (await this.#read(join(group.replace('/', '_'), 'limit_flags'))) !== undefined;
  }

  /** Numbers of the groups of a level. */
  async numbers(level: number): Promise<number[]> {
    const prefix = `${level}_`;
    const names = (await readdir(this.#directory)).filter((name) => name.startsWith(prefix));
    return names.map((name) => parseCount(name.slice(prefix.length)));
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      // At once and not through the thread pool: the kernel answers from memory.
      return readFileSync(join(this.#directory, name), 'utf8').trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // ENODEV: the group was destroyed between open and read.
      if (code === 'ENOENT' || code === 'ENODEV') return undefined;
      throw error;
    }
  }
}

function parseCount(text: string): number {
  if (/^\d{1,20}$/.test(text)) return Number(text);
  throw new SandboxError('INTERNAL', `Cannot read a quota group: ${JSON.stringify(text.slice(0, 40))} is not a count`);
}
