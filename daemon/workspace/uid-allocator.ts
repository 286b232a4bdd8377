// One uid per workspace lineage, never given out again while files of it exist.
// Owns which uids are taken; what takes one is known from the workspace records and the owners of stray directories.

import { SandboxError } from '../../client/protocol/errors.ts';

export interface UidRange {
  /** First uid given out, never 0. */
  readonly first: number;
  /** Last uid given out. */
  readonly last: number;
}

export class UidAllocator {
  readonly #range: UidRange;
  /** Workspaces per uid. */
  readonly #holders = new Map<number, number>();
  #next: number;

  /** `inUse` names each uid once per workspace, strays without a record included. */
  constructor(range: UidRange, inUse: Iterable<number>) {
    if (!Number.isInteger(range.first) || !Number.isInteger(range.last) || range.first < 1 || range.last < range.first) {
      throw new SandboxError('INVALID_REQUEST', `Cannot give out uids ${range.first}-${range.last}: the range is empty or holds uid 0`);
    }
    this.#range = range;
    for (const uid of inUse) this.retain(uid);
    const highest = Math.max(range.first - 1, ...[...this.#holders.keys()].filter((uid) => uid <= range.last));
    this.#next = highest >= range.last ? range.first : highest + 1;
  }

  /** A uid that nobody holds; goes round the range, so that a released one rests as long as possible. */
  allocate(): number {
    const { first, last } = this.#range;
    const size = last - first + 1;
    for (let tried = 0; tried < size; tried += 1) {
      const uid = first + ((this.#next - first + tried) % size);
      if (this.#holders.has(uid)) continue;
      this.#holders.set(uid, 1);
      this.#next = uid === last ? first : uid + 1;
      return uid;
    }
    throw new SandboxError('CAPACITY', `Cannot give a workspace a uid: all of ${first}-${last} have files`, {
      hint: 'Delete workspaces or configure a wider uid range.',
    });
  }

  /** One more workspace of the lineage that has this uid: a fork. */
  retain(uid: number): void {
    this.#holders.set(uid, (this.#holders.get(uid) ?? 0) + 1);
  }

  /** One workspace less. Call it only when its files are gone. */
  release(uid: number): void {
    const holders = this.#holders.get(uid) ?? 0;
    if (holders <= 1) this.#holders.delete(uid);
    else this.#holders.set(uid, holders - 1);
  }

  isHeld(uid: number): boolean {
    return this.#holders.has(uid);
  }
}
