// A command as the permission engine sees it. One that is denied has a result, like one that ran.

import { createHash } from 'node:crypto';
import type { ExecResult, ExecStart } from '../../client/protocol/exec.ts';
import { deniedResult } from '../exec/exec-end.ts';
import { WORKSPACE_ROOT } from '../files/workspace-path.ts';
import { namesThatMatter } from '../policy/shell/analyze.ts';
import type { Call, Denial } from '../session/permission-gate.ts';
import { recordAnyway } from '../session/record-anyway.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import type { HandlerContext } from './handler.ts';
import { callOf, readPath } from './permission-checks.ts';
import { shownCommand } from './secret-handlers.ts';

/** null: it may start. A promise where people are asked; the same one for the same request again. */
export function deniedExec(
  context: HandlerContext,
  connection: Connection,
  session: Session,
  params: ExecStart,
): ExecResult | null | Promise<ExecResult | null> {
  const { gate, denied } = context.permissions;
  const envNames = namesThatMatter([...Object.keys(session.env), ...Object.keys(params.env ?? {})]);
  const cwd = params.cwd === undefined ? WORKSPACE_ROOT : readPath(params.cwd);
  // It will be refused for that, with a record of its own.
  if (cwd === null) return null;
  const isFed = params.stdin === 'pipe' || params.pty !== undefined;
  const decision = gate.decide(session, (permissions) => gate.engine.decideCommand(params.command, { cwd, isFed, envNames }, permissions));
  const call: Call = {
    ...callOf(context, connection, session, { ...session.labels, ...params.labels }),
    tool: 'exec',
    execId: params.execId,
    get shown() {
      return { command: shownCommand(context, session, params.command), cwd, ...(isFed ? { isFed } : {}) };
    },
    get shape() {
      return [
        params.command,
        cwd,
        Object.entries(params.env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
        [...(params.secrets ?? [])].sort(),
      ];
    },
  };
  if (decision.verdict === 'allow') {
    // Safe because: what the rules allow is answered at once, without a question.
    void gate.permit(session, call, decision);
    return null;
  }
  const digest = createHash('sha256').update(JSON.stringify(call.shape)).digest('base64url');
  const known = denied.find(session.id, params.execId, digest);
  if (known !== null) return known;
  const permitted = gate.permit(session, call, isFed ? { ...decision, isComputed: true } : decision);
  const settle = (denial: Denial | null): ExecResult | null => (denial === null ? null : refused(context, session, call, params, denial));
  const outcome = permitted instanceof Promise ? permitted.then(settle) : settle(permitted);
  if (outcome !== null) denied.add(session.id, params.execId, digest, outcome);
  return outcome;
}

function refused(context: HandlerContext, session: Session, { labels }: Call, { execId }: ExecStart, denial: Denial): ExecResult {
  recordAnyway(context, {
    kind: 'exec.end',
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    execId,
    outcome: 'denied',
    reason: denial.reason,
    rule: denial.rule,
    policySha256: session.policy.sha256,
    labels,
  });
  return deniedResult(execId, denial);
}
