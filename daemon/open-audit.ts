// The audit log, wired: its key, what is known of sessions, and forgetting in time. A part of the composition root.

import { loadSigningKeys } from './auth/signing-keys.ts';
import type { Config } from './config.ts';
import { AuditLog } from './observe/audit-log.ts';
import { pruneAuditLog } from './observe/audit-retention.ts';
import type { Clock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { SessionIdentities } from './session/session-identity.ts';
import { auditKeyPathOf, auditPathOf } from './state-dir.ts';

const PRUNE_MS = 6 * 3_600_000;

interface AuditParts {
  readonly config: Pick<Config, 'audit'>;
  readonly stateDir: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenedAudit {
  readonly audit: AuditLog;
  readonly identify: SessionIdentities;
  stop(): Promise<void>;
}

export async function openAudit({ config, stateDir, version, clock, log }: AuditParts): Promise<OpenedAudit> {
  const keys = await loadSigningKeys(auditKeyPathOf(stateDir));
  const identify = new SessionIdentities(version);
  const { rotateBytes, retainDays, fsync, onFull } = config.audit;
  const path = config.audit.file ?? auditPathOf(stateDir);
  const audit = await AuditLog.open({
    path,
    clock,
    keys,
    rotateBytes,
    fsync,
    onFull,
    identify: (sandboxId, kind) => identify.of(sandboxId, kind),
    onError: (error) => log.error({ err: error }, 'audit log not written'),
  });
  let isStopped = false;
  let pruning: Promise<void> = Promise.resolve();
  let cancel: () => void = () => undefined;
  const prune = (): void => {
    pruning = pruneAuditLog({ path, retainDays, privateKey: keys.privateKey, nowMs: clock.now() })
      .then((entries) => {
        for (const entry of entries) audit.append(entry, 'over');
      })
      .catch((error: unknown) => log.error({ err: error }, 'audit log not pruned'))
      .finally(() => {
        if (!isStopped) cancel = clock.after(PRUNE_MS, prune);
      });
  };
  prune();
  return {
    audit,
    identify,
    stop: async () => {
      isStopped = true;
      cancel();
      await pruning;
      await audit.close();
    },
  };
}
