// Connections that a daemon had let out when it was killed: its egress process ended with it, and nobody told of their end. The
// next daemon does, so each `egress.start` has its `egress.decision`. A part of the composition root.

import { z } from 'zod';
import { DEFAULT_EGRESS_LIMITS } from './egress/messages.ts';
import { remedyOf } from './egress/verdict.ts';
import type { AuditLog } from './observe/audit-log.ts';
import { queryAudit } from './observe/audit-query.ts';
import type { Log } from './observe/log.ts';
import { recordAnyway } from './session/record-anyway.ts';

/** Between the last record of a daemon that is killed and the head that says when. */
const HEAD_LAG_MS = 60_000;

const Attempt = z.looseObject({ sandboxId: z.string(), attempt: z.string(), startedAt: z.string() });
type Attempt = z.infer<typeof Attempt>;

interface InterruptedOptions {
  readonly audit: AuditLog;
  readonly log: Log;
  /** How long a connection may last at most. */
  readonly lifetimeMs: number;
}

/** Reads as much of the log as may hold an attempt that was open when it was cut off; nothing after an orderly stop. */
export async function recordInterrupted({ audit, log, lifetimeMs }: InterruptedOptions): Promise<void> {
  const { cutOffAtMs } = audit;
  if (cutOffAtMs === null) return;
  const sinceMs = cutOffAtMs - HEAD_LAG_MS - Math.max(lifetimeMs, DEFAULT_EGRESS_LIMITS.lifetimeMs);
  /** As many as could be open at once. */
  const open = new Map<string, Attempt>();
  for await (const { record } of queryAudit(audit, { kinds: ['egress.start', 'egress.decision'], sinceMs })) {
    const { data: attempt } = Attempt.safeParse(record);
    if (attempt === undefined) continue;
    // Numbers begin anew with each daemon, moments do not.
    const key = `${attempt.sandboxId} ${attempt.attempt} ${attempt.startedAt}`;
    if (record.kind === 'egress.start') open.set(key, attempt);
    else open.delete(key);
  }
  for (const { seq: _seq, at: _at, prev: _prev, hash: _hash, daemonVersion: _version, ...said } of open.values())
    recordAnyway(
      { audit, log },
      {
        ...said,
        kind: 'egress.decision',
        verdict: 'allow',
        reason: 'interrupted',
        remedy: remedyOf('interrupted'),
        // How much passed, nobody knows any more.
        bytesUp: 0,
        bytesDown: 0,
        ms: Math.max(0, cutOffAtMs - Date.parse(said.startedAt)),
      },
    );
}
