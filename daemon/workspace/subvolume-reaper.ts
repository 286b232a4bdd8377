// Deletes subvolumes completely: what is nested inside them, and their quota groups once the kernel has dropped them.
// Owns that order and its bounded waiting; must not know workspaces.

import { lstat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { runCommand } from './run-command.ts';
import { deleteNestedSubvolumes, deleteSubvolume, destroyQgroup, mayExist, subvolumeId, syncFileSystem } from './btrfs-command.ts';
import type { QgroupFiles } from './qgroup-files.ts';

/** Smaller numbers are the file system's own. */
const FIRST_SUBVOLUME = 256;
/** Groups still to be destroyed that are remembered; older ones are left to the kernel. */
const MAX_PENDING = 10_000;
const REMOVE_TIMEOUT_MS = 300_000;
const POLL_MS = 20;
const POLLS = 150;
/** Polls between two commits, each of which wakes the kernel's cleaner. */
const POLLS_PER_SYNC = 25;

export interface SubvolumeReaperOptions {
  readonly pool: string;
  readonly qgroups: QgroupFiles;
  readonly log: Logger;
}

export class SubvolumeReaper {
  readonly #options: SubvolumeReaperOptions;
  readonly #pending = new Set<string>();

  constructor(options: SubvolumeReaperOptions) {
    this.#options = options;
  }

  /** Deletes the subvolumes at `paths`; missing ones are fine. Waits a bounded time for their groups to go. */
  async remove(paths: readonly string[]): Promise<void> {
    const groups: string[] = [];
    for (const path of paths) groups.push(...(await this.#delete(path)).map((number) => `0/${number}`));
    for (const group of groups) if (this.#pending.size < MAX_PENDING) this.#pending.add(group);
    if (this.#pending.size > 0) await this.#destroyPending(groups);
  }

  /** At open: destroys groups whose subvolume an earlier daemon deleted. Kernels before 6.13 keep them. Only for a pool of our own. */
  async destroyLeftovers(): Promise<void> {
    const { pool, qgroups } = this.#options;
    for (const number of await qgroups.numbers(0)) {
      const group = `0/${number}`;
      if (number < FIRST_SUBVOLUME || (await qgroups.state(group))?.referencedBytes !== 0) continue;
      if (!(await mayExist(number, pool))) await destroyQgroup(group, pool);
    }
  }

  async #delete(path: string): Promise<number[]> {
    const number = await subvolumeId(path);
    if (number === undefined) {
      // A plain file or directory in a place of ours, for example put there by hand.
      if (
        await lstat(path).then(
          () => true,
          () => false,
        )
      )
        await runCommand('rm', ['-rf', '--one-file-system', '--', path]);
      return [];
    }
    if (await deleteSubvolume(path)) return [number];
    const nested = await deleteNestedSubvolumes(path);
    if (nested.length > 0) this.#options.log.warn({ path, nested: nested.length }, 'deleted subvolumes made inside a workspace');
    if (!(await deleteSubvolume(path))) {
      // btrfs(8) gives up on paths beyond PATH_MAX. rm walks by descriptor, and an emptied subvolume goes by rmdir. Safe because:
      // no tenant process lives, and nothing can be mounted below a directory that only root reaches.
      await runCommand('rm', ['-rf', '--', path], { timeoutMs: REMOVE_TIMEOUT_MS });
    }
    return [number, ...nested];
  }

  async #destroyPending(waitFor: readonly string[]): Promise<void> {
    for (let poll = 0; poll < POLLS; poll += 1) {
      if (poll % POLLS_PER_SYNC === 0) await syncFileSystem(this.#options.pool);
      for (const group of this.#pending) {
        if (!(await this.#isGone(group))) continue;
        this.#pending.delete(group);
      }
      if (!waitFor.some((group) => this.#pending.has(group))) return;
      await delay(POLL_MS);
    }
    this.#options.log.warn({ groups: this.#pending.size }, 'quota groups of deleted workspaces are still being dropped');
  }

  async #isGone(group: string): Promise<boolean> {
    const state = await this.#options.qgroups.state(group);
    if (state === undefined) return true;
    // Older kernels keep the group of a dropped subvolume, and would also destroy one that still counts something.
    return state.referencedBytes === 0 && (await destroyQgroup(group, this.#options.pool));
  }
}
