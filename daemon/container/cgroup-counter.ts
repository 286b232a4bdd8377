// One figure of a container's cgroup that only grows. Reads it cheaply, for every command twice.

import { closeSync, openSync, readSync } from 'node:fs';

const MAX_BYTES = 4096;

export class CgroupCounter {
  readonly #fd: number;
  readonly #line: RegExp;

  private constructor(fd: number, name: string) {
    this.#fd = fd;
    this.#line = new RegExp(`^${name} (\\d+)$`, 'm');
  }

  /** null: the kernel keeps no such counter where we can see it. */
  static open(path: string | null, name: string): CgroupCounter | null {
    try {
      return path === null ? null : new CgroupCounter(openSync(path, 'r'), name);
    } catch {
      return null;
    }
  }

  /** null once the cgroup is gone. */
  read(): number | null {
    const buffer = Buffer.allocUnsafe(MAX_BYTES);
    try {
      const length = readSync(this.#fd, buffer, 0, MAX_BYTES, 0);
      const match = this.#line.exec(buffer.toString('latin1', 0, length));
      return match === null ? null : Number(match[1]);
    } catch {
      return null;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
