// The end of a command that an earlier daemon started: on record like that of any other.

import type { Execution } from '../exec/execution.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Log } from '../observe/log.ts';
import { figuresOf } from './exec-figures.ts';
import { recordAnyway } from './record-anyway.ts';
import type { SandboxRecord } from './sandbox-record.ts';

export const recordAdoptedEnd =
  (context: { readonly audit: AuditLog; readonly log: Log; readonly version: string }) =>
  ({ id, tenant, session, labels, policy, receipt }: SandboxRecord, execution: Execution): void => {
    // It may end before its session is there again, so everything comes from the record of the sandbox.
    const identity = {
      profile: policy.profileName,
      policySha256: policy.sha256,
      image: receipt?.image.id,
      seccompSha256: receipt?.seccomp.sha256,
    };
    const of = { tenant, session, sandboxId: id, execId: execution.id, labels: { ...labels, ...execution.request.labels }, ...identity };
    const end = (figures: Readonly<Record<string, unknown>>): void =>
      recordAnyway(context, {
        kind: 'exec.end',
        ...of,
        daemonVersion: context.version,
        outcome: execution.outcome ?? 'refused',
        isAdopted: true,
        ...figures,
      });
    void execution.result
      .then(figuresOf)
      .catch(() => ({}))
      .then(end);
  };
