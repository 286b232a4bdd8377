// What becomes of the egress process's news: audit records, the controller's events, questions to whoever may answer. A part of
// the composition root; decides nothing.

import type { EgressDecision } from '../client/protocol/exec.ts';
import type { EventEnvelope } from '../client/protocol/requests.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Log } from './observe/log.ts';
import type { Confirmation, Confirmations } from './session/confirmations.ts';
import { recordAnyway } from './session/record-anyway.ts';
import type { SandboxRecord } from './session/sandbox-record.ts';

interface EgressEventsOptions {
  readonly audit: AuditLog;
  readonly log: Log;
  readonly confirmations: Confirmations;
  /** To the controller of the sandbox, if it is connected. */
  readonly tell: (sandbox: SandboxRecord['id'], event: EventEnvelope) => void;
}

export interface EgressEvents {
  readonly onEgressStarted: (record: SandboxRecord, decision: EgressDecision, attempt: string) => void;
  readonly onEgress: (record: SandboxRecord, decision: EgressDecision, attempt: string) => void;
  readonly onAsk: (record: SandboxRecord, decision: EgressDecision) => Promise<Confirmation>;
}

export function egressEvents(options: EgressEventsOptions): EgressEvents {
  const { confirmations, tell } = options;
  return {
    onEgressStarted: (record, { at: startedAt, host, port, method, path, rule, execId }, attempt) =>
      recordAnyway(options, {
        kind: 'egress.start',
        ...identityOf(record),
        attempt,
        startedAt,
        host,
        port,
        ...(method === undefined ? {} : { method }),
        ...(path === undefined ? {} : { path }),
        rule,
        ...(execId === undefined ? {} : { execId }),
      }),
    onEgress: (record, decision, attempt) => {
      const { at: startedAt, ...said } = decision;
      const identity = identityOf(record);
      recordAnyway(options, { kind: 'egress.decision', ...identity, attempt, startedAt, ...said });
      if (decision.reason === 'secretMisdirected') {
        const { host, port, rule, execId } = decision;
        recordAnyway(options, {
          kind: 'alert',
          what: 'secretMisdirected',
          ...identity,
          attempt,
          host,
          port,
          rule,
          ...(execId === undefined ? {} : { execId }),
        });
        options.log.warn({ sandboxId: record.id, host, port, rule }, 'placeholder of a secret sent where it does not belong');
      }
      tell(record.id, { event: 'egress.decision', sandbox: record.id, decision });
    },
    onAsk: async (record, { host, port, method, path, rule, reason, execId }) => {
      const { id, session } = record;
      // A spare is nobody's yet, and under batch nobody is there to ask.
      if (session === null || record.policy.permissions.mode === 'batch') return 'nobody';
      return confirmations.ask(
        {
          kind: 'egress',
          sandboxId: id,
          session,
          tool: 'egress',
          summary: `connect to ${host}:${port}`,
          rule,
          reason,
          ...(execId === undefined ? {} : { execId }),
          arguments: { host, port, ...(method === undefined ? {} : { method }), ...(path === undefined ? {} : { path }) },
        },
        { tenant: record.tenant, session, labels: record.labels, policySha256: record.policy.sha256 },
      );
    },
  };
}

const identityOf = ({ id, tenant, session, labels, policy }: SandboxRecord) => ({
  tenant,
  session,
  sandboxId: id,
  policySha256: policy.sha256,
  labels,
});
