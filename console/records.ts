// Audit records of one sandbox, as they are written. Keeps the newest of them.

import { useEffect, useState } from 'preact/hooks';
import { useAccess } from './access.ts';
import type { AuditLine } from './answers.ts';

const MAX_RECORDS = 3000;
const FLUSH_MS = 200;
const AGAIN_MS = 3000;
const KINDS = 'exec.start,exec.end,exec.kill,decision,egress.decision,confirm.*,sandbox.*,egress.set,session.extend,session.report,denied';

/** Oldest first; null until the first ones are there. */
export function useRecords(sandboxId: string, sinceAt: string | null): readonly AuditLine[] | null {
  const { http } = useAccess();
  const [records, setRecords] = useState<readonly AuditLine[] | null>(null);
  useEffect(() => {
    if (sinceAt === null) return undefined;
    const ended = new AbortController();
    let kept: AuditLine[] = [];
    let lastSeq = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = (): void => {
      timer = undefined;
      kept = kept.slice(-MAX_RECORDS);
      setRecords([...kept]);
    };
    const query = new URLSearchParams({ sandbox: sandboxId, since: sinceAt, kind: KINDS, follow: '1' });
    const follow = async (): Promise<void> => {
      timer ??= setTimeout(flush, FLUSH_MS);
      for await (const record of http.lines<AuditLine>(`/v1/audit?${query}`, ended.signal)) {
        if (record.seq <= lastSeq) continue;
        lastSeq = record.seq;
        kept.push(record);
        if (kept.length > 2 * MAX_RECORDS) kept = kept.slice(-MAX_RECORDS);
        timer ??= setTimeout(flush, FLUSH_MS);
      }
    };
    const keep = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        await follow().catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    };
    void keep();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [http, sandboxId, sinceAt]);
  return records;
}

export const textOf = (record: AuditLine, field: string): string => {
  const value = record[field];
  return value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
};
