// The files of recordings as they are found: whose they are by their header, and their lines. Writes nothing.

import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../observe/log.ts';
import { RecordingHeader } from './recording-format.ts';

const FILE = /^(sb_[a-z2-7]{20})\.(\d{1,9})\.rec$/;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_LINE_CHARS = 2 * 1024 * 1024;

/** One that nobody writes to. */
export interface KeptRecording {
  readonly header: RecordingHeader;
  readonly segments: ReadonlyMap<number, number>;
  readonly lastWrittenMs: number;
}

/** None of a file that is gone meanwhile. What is longer than any line of ours is none. */
export async function* linesOf(path: string, bytes: number): AsyncGenerator<string, void, undefined> {
  let rest = '';
  try {
    for await (const part of createReadStream(path, { end: bytes - 1, encoding: 'utf8', highWaterMark: 256 * 1024 })) {
      const lines = (rest + String(part)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_CHARS) rest = '';
      yield* lines;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  yield rest;
}

/** Files without a header of ours are nobody's and are left alone. */
export async function readKept({ directory, log }: { readonly directory: string; readonly log: Log }): Promise<Map<string, KeptRecording>> {
  const found = new Map<string, KeptRecording>();
  for (const name of await readdir(directory)) {
    const [, sandboxId = '', segment = ''] = FILE.exec(name) ?? [];
    if (sandboxId === '') continue;
    const path = join(directory, name);
    const header = await readHeader(path);
    if (header === null || header.sandboxId !== sandboxId) {
      log.warn({ path }, 'recording without a header passed over');
      continue;
    }
    const { size, mtimeMs } = await stat(path);
    const known = found.get(sandboxId);
    const segments = new Map([...(known?.segments ?? []), [Number(segment), size] as const].sort(([a], [b]) => a - b));
    found.set(sandboxId, { header, segments, lastWrittenMs: Math.max(known?.lastWrittenMs ?? 0, mtimeMs) });
  }
  return found;
}

async function readHeader(path: string): Promise<RecordingHeader | null> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0);
    const [line = ''] = buffer.subarray(0, bytesRead).toString('utf8').split('\n', 1);
    const header = RecordingHeader.safeParse(JSON.parse(line));
    return header.success ? header.data : null;
  } catch {
    return null;
  } finally {
    await file.close();
  }
}
