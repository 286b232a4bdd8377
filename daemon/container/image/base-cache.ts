// The cached root file system of a base image: where it lies, whether it is whole, how it gets there atomically.
// Knows nothing of engines nor of how it was made.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { z } from 'zod';

const MAX_TARS = 3;

const recordSchema = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.int().positive() });
export type CacheRecord = z.infer<typeof recordSchema>;

export interface CachedTar {
  readonly file: string;
  readonly record: CacheRecord;
}

export class BaseCache {
  readonly #file: string;
  readonly #recordFile: string;

  constructor(cacheDir: string, hash: string) {
    this.#file = path.join(cacheDir, `base-${hash}.tar`);
    this.#recordFile = `${this.#file}.json`;
  }

  get file(): string {
    return this.#file;
  }

  /** The tar if it is there in its full length. Its content is checked while it is read. */
  async find(): Promise<CachedTar | null> {
    try {
      const record = recordSchema.parse(JSON.parse(await readFile(this.#recordFile, 'utf8')));
      return (await stat(this.#file)).size === record.bytes ? { file: this.#file, record } : null;
    } catch {
      // Absent or damaged is the same here: it is made again.
      return null;
    }
  }

  /** Has `make` write the tar to a path of its own, then puts it and its checksum in place. */
  async fill(make: (target: string) => Promise<void>): Promise<CachedTar> {
    await mkdir(path.dirname(this.#file), { recursive: true });
    await this.drop();
    const partial = `${this.#file}.partial`;
    try {
      await rm(partial, { force: true });
      await make(partial);
      const hash = createHash('sha256');
      let bytes = 0;
      const chunks: AsyncIterable<Buffer> = createReadStream(partial, { highWaterMark: 1 << 20 });
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      const record: CacheRecord = { sha256: hash.digest('hex'), bytes };
      await sync(partial);
      await rename(partial, this.#file);
      // The record comes last: a tar without one does not count.
      await writeFile(`${this.#recordFile}.partial`, JSON.stringify(record));
      await rename(`${this.#recordFile}.partial`, this.#recordFile);
      await this.#dropOldest();
      return { file: this.#file, record };
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Tars of earlier recipes do not pile up. */
  async #dropOldest(): Promise<void> {
    const directory = path.dirname(this.#file);
    const names = (await readdir(directory)).filter((name) => /^base-[0-9a-f]+\.tar$/.test(name));
    const aged = await Promise.all(
      names.map(async (name) => {
        const file = path.join(directory, name);
        // Zero for one that another process removed in the meantime.
        return {
          file,
          at: await stat(file).then(
            (entry) => entry.mtimeMs,
            () => 0,
          ),
        };
      }),
    );
    for (const { file } of aged.toSorted((a, b) => b.at - a.at).slice(MAX_TARS)) {
      if (file === this.#file) continue;
      await rm(`${file}.json`, { force: true });
      await rm(file, { force: true });
    }
  }

  async drop(): Promise<void> {
    await rm(this.#recordFile, { force: true });
    await rm(this.#file, { force: true });
  }
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A stream of the cached tar that fails at its end when the content is not what was recorded. */
export function verifiedStream(cached: CachedTar): Transform {
  const hash = createHash('sha256');
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      done(hash.digest('hex') === cached.record.sha256 ? null : new DamagedCacheError(cached.file));
    },
  });
  const source = createReadStream(cached.file, { highWaterMark: 1 << 20 });
  source.once('error', (error) => void check.destroy(error));
  check.once('close', () => void source.destroy());
  return source.pipe(check);
}

export class DamagedCacheError extends Error {
  constructor(file: string) {
    super(`${file} is damaged: its content does not match its checksum`);
    this.name = 'DamagedCacheError';
  }
}
