// What a session pool is made with.

import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { PolicySource } from '../policy/grant-policy.ts';
import type { Quotas } from './quota.ts';
import type { SandboxMaker } from './running-sandbox.ts';
import type { Session } from './session.ts';

export interface PoolOptions {
  readonly maker: SandboxMaker;
  readonly policySource: () => PolicySource;
  readonly quotas: Quotas;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly maxSessions: number;
  readonly ttlMs: number | null;
  readonly sweepMs: number;
  readonly leaseGraceMs: number;
  /** Idle for that long a sandbox is paused; null: never. */
  readonly pauseIdleMs: number | null;
  readonly creating: number;
  /** Told of every session that ended. */
  readonly onEnded: (session: Session, reason: string) => void;
  /** Told of a controller that lost its lease to another client. */
  readonly onLeaseLost: (session: Session, formerClientId: string) => void;
}
