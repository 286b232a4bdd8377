// Forgets records whose time is over, in files that are no longer written: a signed stub takes the place of each run of them,
// so that the chain still holds and nobody else can remove anything. Owns the rewriting; when it runs is the caller's business.

import { type KeyObject, sign } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { syncDirectory } from './atomic-file.ts';
import { type AuditEntry, AuditRecord, AuditStub, type RetentionClass, retentionClassOf, stubText } from './audit-record.ts';
import { closedSegments, linesOf } from './audit-segments.ts';

const DAY_MS = 24 * 3_600_000;

export type RetainDays = Readonly<Record<RetentionClass, number>>;

export interface PruneOptions {
  readonly path: string;
  readonly retainDays: RetainDays;
  readonly privateKey: KeyObject;
  readonly nowMs: number;
}

/** Answers an entry for the log per file that was changed. */
export async function pruneAuditLog(options: PruneOptions): Promise<AuditEntry[]> {
  const { nowMs, retainDays } = options;
  const entries: AuditEntry[] = [];
  const oldest = nowMs - Math.min(...Object.values(retainDays)) * DAY_MS;
  for (const path of await closedSegments(options.path)) {
    // Nothing in a file is older than its first record.
    if ((await firstAtMs(path)) > oldest) continue;
    const pruned = await pruneSegment(path, options);
    if (pruned > 0) entries.push({ kind: 'audit.prune', file: path.slice(path.lastIndexOf('/') + 1), records: pruned });
  }
  return entries;
}

async function firstAtMs(path: string): Promise<number> {
  for await (const { lines } of linesOf(path)) return Date.parse(z.object({ at: z.string() }).parse(JSON.parse(lines[0] ?? '')).at);
  return Number.POSITIVE_INFINITY;
}

async function pruneSegment(path: string, { retainDays, privateKey, nowMs }: PruneOptions): Promise<number> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  let pruned = 0;
  let run: Run | null = null;
  const at = new Date(nowMs).toISOString();
  const stub = async (): Promise<void> => {
    if (run === null) return;
    const signature = sign(null, Buffer.from(stubText(run)), privateKey).toString('base64');
    await file.appendFile(`${JSON.stringify({ ...run, signature })}\n`);
    run = null;
  };
  try {
    for await (const { lines } of linesOf(path)) {
      let kept = '';
      for (const line of lines) {
        const json: unknown = JSON.parse(line);
        const old = AuditStub.safeParse(json);
        const record = old.success ? null : AuditRecord.parse(json);
        const isOver = record === null || Date.parse(record.at) + retainDays[retentionClassOf(record)] * DAY_MS < nowMs;
        if (isOver) {
          if (kept !== '') await file.appendFile(kept);
          kept = '';
          const [from, to, prev, last]: [number, number, string, string] = old.success
            ? [old.data.pruned.from, old.data.pruned.to, old.data.prev, old.data.last]
            : [(record as AuditRecord).seq, (record as AuditRecord).seq, (record as AuditRecord).prev, (record as AuditRecord).hash];
          run = joined(run, { pruned: { from, to }, at, prev, last });
          pruned += old.success ? 0 : 1;
        } else {
          await stub();
          kept += `${line}\n`;
        }
      }
      if (kept !== '') await file.appendFile(kept);
    }
    await stub();
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  if (pruned === 0) {
    await rm(temporary, { force: true });
    return 0;
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
  return pruned;
}

type Run = Omit<AuditStub, 'signature'>;

const joined = (before: Run | null, next: Run): Run =>
  before === null ? next : { ...before, pruned: { from: before.pruned.from, to: next.pruned.to }, last: next.last };
