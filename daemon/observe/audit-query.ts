// Reads the audit log: by tenant, session, call, time and kind, and on and on as it grows. At its reader's pace, so a slow one
// misses nothing and holds nobody back. Who may see what is the caller's to say.

import { openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import type { AuditLog } from './audit-log.ts';
import { AuditRecord } from './audit-record.ts';
import { closedSegments, firstSeqOf, linesOf, segmentPathOf } from './audit-segments.ts';

export const AuditFilter = z.strictObject({
  tenant: z.string().max(64).optional(),
  session: z.string().max(64).optional(),
  sandboxId: z.string().max(64).optional(),
  /** Call id: of a command, `execId`; of a file call or confirmation, its own. */
  call: z.string().max(64).optional(),
  /** Kinds, or `exec.*`. */
  kinds: z.array(z.string().max(64)).max(32).optional(),
  /** NAME=VALUE of labels that all must be there. */
  labels: z.record(z.string(), z.string()).optional(),
  sinceMs: z.number().optional(),
  untilMs: z.number().optional(),
  /** Records at most. */
  limit: z.int().min(1).max(1_000_000).optional(),
});
export type AuditFilter = z.infer<typeof AuditFilter>;

export interface AuditLine {
  readonly record: AuditRecord;
  /** As it stands in the file. */
  readonly text: string;
}

export function matchesFilter(record: AuditRecord, filter: AuditFilter): boolean {
  if (filter.tenant !== undefined && record.tenant !== filter.tenant) return false;
  if (filter.session !== undefined && record.session !== filter.session) return false;
  if (filter.sandboxId !== undefined && record.sandboxId !== filter.sandboxId) return false;
  if (filter.call !== undefined && ![record.execId, record['callId'], record['confirmId']].includes(filter.call)) return false;
  if (
    filter.kinds !== undefined &&
    !filter.kinds.some((kind) => (kind.endsWith('*') ? record.kind.startsWith(kind.slice(0, -1)) : kind === record.kind))
  )
    return false;
  for (const [name, value] of Object.entries(filter.labels ?? {})) if (record.labels?.[name] !== value) return false;
  const atMs = filter.sinceMs === undefined && filter.untilMs === undefined ? 0 : Date.parse(record.at);
  return atMs >= (filter.sinceMs ?? -Infinity) && (filter.untilMs === undefined || atMs <= filter.untilMs);
}

/** Matching records, oldest first. With `follow` it goes on until the signal, with whatever comes. */
export async function* queryAudit(
  log: AuditLog,
  filter: AuditFilter,
  options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {},
): AsyncGenerator<AuditLine, void, undefined> {
  let left = filter.limit ?? Number.POSITIVE_INFINITY;
  let lastSeq = 0;
  /** First record of a file -> how far it was read; a file keeps it when it gets its final name. */
  const readTo = new Map<number, number>();
  const pass = async function* (path: string): AsyncGenerator<AuditLine, void, undefined> {
    const firstSeq = firstSeqOf(path);
    // The one that is written has its own name yet. Opened in the same turn: between name and file nothing may come.
    const file = firstSeq === log.firstSeq ? { fd: openSync(log.path, 'r') } : {};
    for await (const { lines, end } of linesOf(path, { ...file, from: readTo.get(firstSeq) ?? 0 })) {
      readTo.set(firstSeq, end);
      for (const text of lines) {
        const record = parse(text, lastSeq);
        if (record === null) continue;
        lastSeq = record.seq;
        if (matchesFilter(record, filter)) yield { record, text };
      }
      if (options.signal?.aborted === true) return;
    }
  };
  let wake: () => void = () => undefined;
  let hasNews = false;
  const news = (): void => {
    hasNews = true;
    wake();
  };
  const stop = options.follow === true ? log.onAppend(news) : () => undefined;
  options.signal?.addEventListener('abort', news);
  try {
    do {
      hasNews = false;
      const paths = await pathsAfter(log, lastSeq, filter.sinceMs);
      for (const path of paths) {
        for await (const line of pass(path)) {
          yield line;
          left -= 1;
          if (left <= 0) return;
        }
      }
      if (options.follow === true && !hasNews && options.signal?.aborted !== true)
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (hasNews) resolve();
        });
    } while (options.follow === true && options.signal?.aborted !== true);
  } finally {
    stop();
    options.signal?.removeEventListener('abort', news);
  }
}

/** Files that may hold what was not read yet and is not too old, each under the name that it will have in the end. */
async function pathsAfter(log: AuditLog, lastSeq: number, sinceMs: number | undefined): Promise<string[]> {
  // What is closed while this looks is in the list, or is the last one.
  const written = segmentPathOf(log.path, log.firstSeq);
  const closed = (await closedSegments(log.path)).filter((path) => path < written);
  const wanted: string[] = [];
  for (const [index, segment] of closed.entries()) {
    const next = closed[index + 1];
    if (next !== undefined && firstSeqOf(next) <= lastSeq + 1) continue;
    if (sinceMs !== undefined && (await stat(segment)).mtimeMs < sinceMs) continue;
    wanted.push(segment);
  }
  return [...wanted, written];
}

/** Null for stubs, for what was read before and for a line that is being written. */
function parse(text: string, lastSeq: number): AuditRecord | null {
  const seq = Number(/^\{"seq":(\d+),/.exec(text)?.[1] ?? 0);
  if (seq <= lastSeq) return null;
  try {
    const parsed = AuditRecord.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
