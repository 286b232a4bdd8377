// Audit records of what is over anyway: a full disk must not keep a sandbox alive or hide why something failed.

import type { AuditEntry, AuditLog } from '../observe/audit-log.ts';
import type { Log } from '../observe/log.ts';

export function recordAnyway({ audit, log }: { readonly audit: AuditLog; readonly log: Log }, entry: AuditEntry): void {
  try {
    audit.append(entry, 'over');
  } catch (error) {
    log.error({ err: error, entry }, 'audit record not written');
  }
}
