// The quota groups whose limits end a write in a workspace, with the limits as they were last read back: what every command is
// asked about when it ends, so only what changes is read again. Knows nothing of where workspaces lie.

import type { QgroupFiles } from './qgroup-files.ts';

/** Room under which a workspace counts as full: a write asks for more at once. */
const FULL_BELOW_BYTES = 1024 * 1024;

interface QgroupLimit {
  readonly group: string;
  /** null: none. */
  readonly maxBytes: number | null;
}

export class KnownLimits {
  readonly #qgroups: QgroupFiles;
  /** The workspace's own first, then its tenant's. Of workspaces in use, at most all there are. */
  readonly #limits = new Map<string, readonly QgroupLimit[]>();

  constructor(qgroups: QgroupFiles) {
    this.#qgroups = qgroups;
  }

  set(id: string, limits: readonly QgroupLimit[]): void {
    this.#limits.set(id, limits);
  }

  /** Its own limit is another one now. */
  changed(id: string, maxBytes: number | null): void {
    const [own, ...above] = this.#limits.get(id) ?? [];
    if (own !== undefined) this.#limits.set(id, [{ ...own, maxBytes }, ...above]);
  }

  groupOf(id: string): string | undefined {
    return this.#limits.get(id)?.[0]?.group;
  }

  delete(id: string): void {
    this.#limits.delete(id);
  }

  /** A write would end at one of them. */
  areReached(id: string): boolean {
    const limits = this.#limits.get(id) ?? [];
    return limits.some(({ group, maxBytes }) => maxBytes !== null && this.#qgroups.used(group) > maxBytes - FULL_BELOW_BYTES);
  }
}
