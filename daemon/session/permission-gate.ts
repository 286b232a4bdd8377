// Carries out what the permission engine decides: the record before anything starts, the question to people, what they have
// allowed for the session. A session is held to the rules it was opened with and to those in force now, so that a reload can
// only narrow it. Knows nothing of commands and files.

import type { ExecId } from '../../client/protocol/names.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import { type Decision, FALLBACK_RULE, stricter } from '../policy/decide.ts';
import type { PermissionEngine } from '../policy/permission-engine.ts';
import { type GrantedPermissions, operatorSha256 } from '../policy/permission-policy.ts';
import type { AllowedBefore } from './allowed-before.ts';
import type { Confirmations, Settled } from './confirmations.ts';
import type { Session } from './session.ts';

export interface PermissionGateOptions {
  readonly engine: PermissionEngine;
  readonly confirmations: Confirmations;
  readonly allowed: AllowedBefore;
  readonly audit: AuditLog;
  /** The operator's rules for a profile as they are now; null: there is no such profile any more. */
  readonly current: (profileName: string) => GrantedPermissions | null;
}

/** What is to be permitted. */
export interface Call {
  readonly tool: string;
  /** As it may be shown and written down. */
  readonly shown: Readonly<Record<string, unknown>>;
  /** All that makes it this call and no other. */
  readonly shape: unknown;
  readonly execId?: ExecId;
  readonly tokenId: string;
  readonly clientId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Takes out of a text what must not be written down. */
  readonly redact: (text: string) => string;
}

export interface Denial {
  readonly reason: string;
  readonly rule: string;
  readonly remedy: string;
}

const CONFIRM_REASONS: Readonly<Record<string, string>> = {
  timeout: 'confirmTimeout',
  nobody: 'confirmNobody',
  busy: 'confirmBusy',
  disconnect: 'confirmDisconnected',
  cancel: 'confirmCancelled',
  closed: 'confirmDisconnected',
};
const ASK_REMEDY = 'Have it allowed: onConfirm of the client that controls the session, or an operator with `cloister confirm`.';

export class PermissionGate {
  readonly #options: PermissionGateOptions;
  /** Of a session's rules: the present ones where they differ. */
  readonly #narrowing = new WeakMap<GrantedPermissions, { readonly now: GrantedPermissions; readonly differs: boolean }>();

  constructor(options: PermissionGateOptions) {
    this.#options = options;
  }

  get engine(): PermissionEngine {
    return this.#options.engine;
  }

  /** The present rules that hold beside a session's own; null: they are the same. */
  narrowedBy({ policy: { profileName, permissions } }: Session): GrantedPermissions | null {
    const now = this.#options.current(profileName);
    if (now === null) return null;
    const known = this.#narrowing.get(permissions);
    if (known?.now === now) return known.differs ? now : null;
    const differs = operatorSha256(now) !== operatorSha256(permissions);
    this.#narrowing.set(permissions, { now, differs });
    return differs ? now : null;
  }

  /** By the session's rules, and by those of now. */
  decide(session: Session, judge: (permissions: GrantedPermissions) => Decision): Decision {
    const own = judge(session.policy.permissions);
    const now = this.narrowedBy(session);
    // Its mode is the session's, whatever the operator's rules are.
    return now === null ? own : stricter(own, judge(this.#withMode(now, session.policy.permissions)));
  }

  readonly #batch = new WeakMap<GrantedPermissions, GrantedPermissions>();
  #withMode(now: GrantedPermissions, { mode }: GrantedPermissions): GrantedPermissions {
    if (mode === now.mode) return now;
    const known = this.#batch.get(now) ?? { ...now, mode };
    this.#batch.set(now, known);
    return known;
  }

  /** null: permitted. On record before it is answered; a promise where people are asked. */
  permit(session: Session, call: Call, decision: Decision): Denial | null | Promise<Denial | null> {
    if (decision.verdict === 'allow') {
      this.#record(session, call, decision);
      return null;
    }
    if (decision.verdict === 'deny') {
      this.#record(session, call, decision);
      return this.#denial(call, decision, decision.reason);
    }
    const shape = [decision.rule, call.tool, call.shape];
    if (!decision.isComputed && this.#options.allowed.has(session.id, shape)) {
      this.#record(session, call, { ...decision, verdict: 'allow', reason: 'allowed for the session by a confirmation' });
      return null;
    }
    return this.#ask(session, call, decision, shape);
  }

  async #ask(session: Session, call: Call, decision: Decision, shape: unknown): Promise<Denial | null> {
    const { confirmations, allowed } = this.#options;
    this.#record(session, call, decision);
    const settled = await confirmations.settle(
      {
        kind: 'tool',
        sandboxId: session.id,
        session: session.session,
        ...(call.execId === undefined ? {} : { execId: call.execId }),
        tool: call.tool,
        summary: call.redact(decision.about).slice(0, 1000),
        arguments: call.shown,
        rule: decision.rule,
        reason: call.redact(decision.reason).slice(0, 1000),
      },
      { tenant: session.tenant, session: session.session, labels: call.labels, policySha256: session.policy.sha256 },
      call.clientId,
    );
    if (settled.answer === 'allow-session' && !decision.isComputed) allowed.add(session.id, shape);
    const isAllowed = settled.answer === 'allow-once' || settled.answer === 'allow-session';
    const reason = isAllowed ? `confirmed by ${settled.by}` : reasonOf(settled);
    this.#record(session, call, { ...decision, verdict: isAllowed ? 'allow' : 'deny', reason });
    return isAllowed ? null : this.#denial(call, { ...decision, remedy: decision.remedy ?? ASK_REMEDY }, reason);
  }

  #denial(call: Call, { rule, remedy }: Decision, reason: string): Denial {
    const otherwise = rule === FALLBACK_RULE ? ASK_REMEDY : 'Do it another way, or ask the operator to change the rule.';
    return { reason: call.redact(reason), rule, remedy: call.redact(remedy ?? otherwise) };
  }

  #record(session: Session, call: Call, { verdict, rule, reason }: Decision): void {
    const narrowed = this.narrowedBy(session);
    this.#options.audit.append({
      kind: 'decision',
      tenant: session.tenant,
      session: session.session,
      sandboxId: session.id,
      ...(call.execId === undefined ? {} : { execId: call.execId }),
      tokenId: call.tokenId,
      tool: call.tool,
      verdict,
      rule,
      reason: call.redact(reason),
      ...(verdict === 'allow' ? {} : { arguments: call.shown }),
      profile: session.policy.profileName,
      policySha256: session.policy.sha256,
      ...(narrowed === null ? {} : { narrowedBySha256: operatorSha256(narrowed) }),
      labels: call.labels,
    });
  }
}

const reasonOf = ({ answer, by }: Settled): string => CONFIRM_REASONS[by] ?? (answer === 'nobody' ? 'confirmNobody' : 'confirmDenied');
