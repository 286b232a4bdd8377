// What list, glob, grep and watch find, as it comes: lines of JSON on a stream, each checked. Owns the cutting into lines.

import type { z } from 'zod';
import type { Connection } from './connection.ts';
import { ClientError } from './errors.ts';
import { FileRead } from './file-read.ts';
import { FileEntry, GrepLine, WatchEvent, type Params, type Result } from './protocol/index.ts';

type SearchOperation = 'files.list' | 'files.glob' | 'files.grep' | 'files.watch';

const RECORDS = { 'files.list': FileEntry, 'files.glob': FileEntry, 'files.grep': GrepLine, 'files.watch': WatchEvent } as const;
type Found<O extends SearchOperation> = z.output<(typeof RECORDS)[O]>;

const NEWLINE = 10;
/** A line of JSON is a path or two, or a line of text of 2 KiB. */
const MAX_LINE_BYTES = 256 * 1024;

/** What is found, as much as came at once, and what it came to. Leaving it early, or the signal, ends the search. */
async function* batches<O extends SearchOperation>(
  connection: Connection,
  op: O,
  params: Omit<Params<O>, 'stream'>,
  signal?: AbortSignal,
): AsyncGenerator<Found<O>[], Result<O>, undefined> {
  const reading = new FileRead(connection, op, params);
  const abort = (): void => reading.abandon(new ClientError('ABORTED', `Cannot go on with ${op}: the signal was aborted`));
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const pieces = reading.read();
  let rest: Uint8Array = new Uint8Array(0);
  try {
    for (let next = await pieces.next(); ; next = await pieces.next()) {
      if (next.done === true) return next.value;
      const bytes: Uint8Array = rest.byteLength === 0 ? next.value : Buffer.concat([rest, next.value]);
      const end = bytes.lastIndexOf(NEWLINE);
      if (end >= 0) yield parse(op, bytes.subarray(0, end));
      rest = bytes.slice(end + 1);
      if (rest.byteLength > MAX_LINE_BYTES) throw new ClientError('PROTOCOL_ERROR', `Cannot read the answer to ${op}: a line is too long`);
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    await pieces.return(undefined as never);
  }
}

/** One by one. */
export async function* find<O extends SearchOperation>(
  connection: Connection,
  op: O,
  params: Omit<Params<O>, 'stream'>,
  signal?: AbortSignal,
): AsyncGenerator<Found<O>, Result<O>, undefined> {
  const found = batches(connection, op, params, signal);
  try {
    for (let next = await found.next(); ; next = await found.next()) {
      if (next.done === true) return next.value;
      yield* next.value;
    }
  } finally {
    await found.return(undefined as never);
  }
}

/** All of it at once. */
export async function findAll<O extends SearchOperation>(
  connection: Connection,
  op: O,
  params: Omit<Params<O>, 'stream'>,
  signal?: AbortSignal,
): Promise<{ readonly found: Found<O>[]; readonly summary: Result<O> }> {
  const parts: Found<O>[][] = [];
  const records = batches(connection, op, params, signal);
  for (let next = await records.next(); ; next = await records.next()) {
    if (next.done === true) return { found: parts.flat(), summary: next.value };
    parts.push(next.value);
  }
}

/** No newline stands within a line of JSON, so that many lines are one array. */
function parse<O extends SearchOperation>(op: O, bytes: Uint8Array): Found<O>[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const records = RECORDS[op].array().safeParse(json(`[${text.replaceAll('\n', ',')}]`));
  if (records.success) return records.data as Found<O>[];
  throw new ClientError('PROTOCOL_ERROR', `Cannot read the answer to ${op}: it has an unknown shape`, { cause: records.error });
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
