// All spools of the daemon: where their files are, how many bytes they may take together, what goes first.
// Owns the directory and the budget; a spool owns its files.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { SpoolSegment } from './spool-segment.ts';

const DEFAULT_MAX_TOTAL_BYTES = 2 * 1024 * 1024 * 1024;
const DEFAULT_KEEP_MS = 600_000;
const SEGMENT_NAME = /^([1-9]\d{0,9})\.(\d{1,15})\.spool$/;

/** What the store sees of a command's spool. */
export interface StoredSpool {
  readonly diskBytes: number;
  /** Frees the oldest file; false if there is none but the one being written. */
  trim(): boolean;
  remove(): Promise<void>;
}

export interface SpoolStoreOptions {
  /** `<stateDir>/spool` */
  readonly dir: string;
  readonly log: Logger;
  /** Bytes of all spool files together. */
  readonly maxTotalBytes?: number | undefined;
  /** Milliseconds that a command's output outlives the command. */
  readonly keepMs?: number | undefined;
}

export class SpoolStore {
  readonly keepMs: number;
  readonly #dir: string;
  readonly #log: Logger;
  readonly #maxTotalBytes: number;
  /** Spools with files. */
  readonly #spools = new Set<StoredSpool>();
  /** Those whose command has ended, oldest end first. */
  readonly #ended = new Set<StoredSpool>();
  #totalBytes = 0;

  constructor(options: SpoolStoreOptions) {
    this.keepMs = options.keepMs ?? DEFAULT_KEEP_MS;
    this.#dir = options.dir;
    this.#log = options.log;
    this.#maxTotalBytes = options.maxTotalBytes ?? DEFAULT_MAX_TOTAL_BYTES;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  directoryOf(sandboxId: string): string {
    return join(this.#dir, sandboxId);
  }

  /** Deletes what a sandbox has left. */
  async removeSandbox(sandboxId: string): Promise<void> {
    await rm(this.directoryOf(sandboxId), { recursive: true, force: true });
  }

  /** Segments of a sandbox's commands by exec number, as an earlier daemon left them, contiguous and in order. */
  async recover(sandboxId: string): Promise<Map<number, SpoolSegment[]>> {
    const directory = this.directoryOf(sandboxId);
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const found = names
      .map((name) => ({ name, match: SEGMENT_NAME.exec(name) }))
      .flatMap(({ name, match }) =>
        match === null ? [] : [{ path: join(directory, name), number: Number(match[1]), base: Number(match[2]) }],
      )
      .sort((a, b) => a.number - b.number || a.base - b.base);
    const segments = new Map<number, SpoolSegment[]>();
    for (const { path, number, base } of found) {
      const segment = await SpoolSegment.recover(path, base);
      const before = segments.get(number) ?? [];
      // Output before a hole can't be served in order, so what comes after it is what is kept.
      if (before.length > 0 && before.at(-1)?.end !== base) await Promise.all(before.splice(0).map((old) => old.remove()));
      segments.set(number, [...before, segment]);
    }
    return segments;
  }

  register(spool: StoredSpool): void {
    this.#spools.add(spool);
  }

  /** Counts a recovered spool's files. */
  adopt(spool: StoredSpool): void {
    this.#spools.add(spool);
    this.#totalBytes += spool.diskBytes;
  }

  ended(spool: StoredSpool): void {
    if (this.#spools.has(spool)) this.#ended.add(spool);
  }

  account(spool: StoredSpool, bytes: number): void {
    if (!this.#spools.has(spool)) return;
    this.#totalBytes += bytes;
    if (bytes > 0 && this.#totalBytes > this.#maxTotalBytes) this.#makeRoom();
  }

  forget(spool: StoredSpool): void {
    this.#ended.delete(spool);
    if (this.#spools.delete(spool)) this.#totalBytes -= spool.diskBytes;
  }

  #makeRoom(): void {
    for (const spool of this.#ended) {
      if (this.#totalBytes <= this.#maxTotalBytes) return;
      spool.remove().catch((error: unknown) => this.#log.error({ err: error }, 'spool not removed'));
    }
    for (const spool of [...this.#spools].sort((a, b) => b.diskBytes - a.diskBytes)) {
      while (this.#totalBytes > this.#maxTotalBytes && spool.trim());
    }
  }
}
