// The files of an audit log: the one that is written, and those before it, named after the number of their first record.
// Owns names and order, and the way from a file to its lines; knows nothing of what a line means.

import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MAX_LINE_BYTES } from './audit-record.ts';

const CHUNK_BYTES = 256 * 1024;

export const segmentPathOf = (logPath: string, firstSeq: number): string => `${logPath}.${String(firstSeq).padStart(12, '0')}`;

/** Closed segments, oldest first. */
export async function closedSegments(logPath: string): Promise<string[]> {
  const directory = dirname(logPath);
  const prefix = `${basename(logPath)}.`;
  const names = (await readdir(directory)).filter((name) => name.startsWith(prefix) && /^\d{12}$/.test(name.slice(prefix.length)));
  return names.sort().map((name) => join(directory, name));
}

/** Number of a closed segment's first record. */
export const firstSeqOf = (path: string): number => Number(path.slice(path.lastIndexOf('.') + 1));

/** Batches of whole lines; `rest` is what stands after the last line end. */
export async function* linesOf(
  path: string,
  options: { readonly from?: number /** Opened by the caller, closed here. */; readonly fd?: number } = {},
): AsyncGenerator<{ readonly lines: string[]; readonly end: number }, string, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let end = options.from ?? 0;
  for await (const chunk of createReadStream(path, {
    ...(options.fd === undefined ? {} : { fd: options.fd }),
    start: end,
    highWaterMark: CHUNK_BYTES,
  }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const last = bytes.lastIndexOf(0x0a);
    rest = bytes.subarray(last + 1);
    if (last === -1) {
      if (rest.length > MAX_LINE_BYTES) break;
      continue;
    }
    end += last + 1;
    yield { lines: bytes.toString('utf8', 0, last).split('\n'), end };
  }
  return rest.toString('utf8');
}
