// Durable small files: a reader sees the old content or the new one, also after a power cut.
// Owns the write and read primitives of the state directory; knows nothing of what the files mean.

import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fstatSync, fsync, open as openFile, openSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';

const MAX_READ_BYTES = 4 * 1024 * 1024;
/** What waits for the disk goes through the thread pool; what is in the kernel's memory takes less than the way there. */
const [create, toDisk] = [promisify(openFile), promisify(fsync)];

export interface WriteFileAtomicOptions {
  /** Permission bits of the file, whatever the umask says. */
  readonly mode?: number;
}

/** Replaces `path` in one step. A crash leaves the old file, the new one, and at worst a `.tmp-` file beside them. */
export async function writeFileAtomic(path: string, data: string | Uint8Array, options: WriteFileAtomicOptions = {}): Promise<void> {
  const mode = options.mode ?? 0o600;
  const temporary = join(dirname(path), `.tmp-${randomBytes(8).toString('hex')}`);
  try {
    const file = await create(temporary, 'wx', mode);
    try {
      writeFileSync(file, data);
      fchmodSync(file, mode);
      await toDisk(file);
    } finally {
      closeSync(file);
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes what crashed writes left in a directory; before anyone writes there. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory)) if (/^\.tmp-[0-9a-f]{16}$/.test(name)) await rm(join(directory, name), { force: true });
}

/** Makes the names in a directory durable: a rename or unlink is lost by a power cut until then. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = openSync(path, 'r');
  try {
    await toDisk(directory);
  } finally {
    closeSync(directory);
  }
}

/** Reads and parses one JSON file of at most 4 MiB; undefined if there is none, SandboxError INTERNAL if it does not fit the schema. */
export async function readJsonFile<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema> | undefined> {
  const text = await readBounded(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, 'it is not JSON', error);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw unreadable(path, `${issue?.path.join('.') || 'content'}: ${issue?.message ?? 'does not fit its schema'}`, parsed.error);
  }
  return parsed.data;
}

async function readBounded(path: string): Promise<string | undefined> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size > MAX_READ_BYTES) throw unreadable(path, `${size} bytes are more than ${MAX_READ_BYTES}`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function unreadable(path: string, cause: string, error?: unknown): SandboxError {
  return new SandboxError('INTERNAL', `Cannot read state file ${path}: ${cause}`, {
    hint: 'Restore the file from a backup or move it aside; the daemon does not guess its content.',
    cause: error,
  });
}
