// Where a filtered command's output can be gone on with by the next daemon: one small file per command, overwritten in place.
// Owns the file; a write is in the kernel when it returns, so it survives the daemon's death.

import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

/** Always written whole, so that what was there before is covered. */
const FILE_BYTES = 4096;
/** Pauses since `raw` that are remembered; beyond that only the looks of what was cut in two may change. */
const MAX_RELEASES = 128;

const FilterMark = z.strictObject({
  raw: z.int().min(0),
  seen: z.int().min(0),
  /** Raw offsets at which what was held had to go out. */
  releases: z.array(z.int()).default([]),
  found: z.array(z.string()).default([]),
});
export type FilterMark = z.infer<typeof FilterMark>;

export class FilterMarkFile {
  readonly #path: string;
  #file: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** The beginning, where nothing was written. */
  read(): FilterMark {
    try {
      return FilterMark.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return { raw: 0, seen: 0, releases: [], found: [] };
    }
  }

  write(mark: FilterMark): void {
    if (this.#file === null) {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#file = openSync(this.#path, 'a+', 0o600);
      closeSync(this.#file);
      this.#file = openSync(this.#path, 'r+');
    }
    const text = JSON.stringify({ ...mark, releases: mark.releases.slice(-MAX_RELEASES) });
    writeSync(this.#file, text.padEnd(FILE_BYTES - 1), 0);
  }

  remove(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    rmSync(this.#path, { force: true });
  }
}
