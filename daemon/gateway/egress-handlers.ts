// The way out on the wire: changing a session's egress policy while it runs, what it learned, and asking what one would say.

import { SandboxError } from '../../client/protocol/errors.ts';
import { grantEgress } from '../policy/egress-policy.ts';
import { restrictEgress } from '../policy/egress-permissions.ts';
import { withEgress } from '../policy/grant-policy.ts';
import { type Handler, sessionOf } from './handler.ts';

export const setEgress: Handler<'egress.set'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'control');
  const { principal } = connection;
  const { policy } = session;
  const doing = `change egress of session ${session.session}`;
  const profile = { name: policy.profileName, profile: policy.profile };
  const granted = restrictEgress(grantEgress(params.policy, profile, doing), policy.permissions, doing);
  const now = context.permissions.gate.narrowedBy(session);
  const egress = now === null ? granted : restrictEgress(granted, now, doing);
  const next = withEgress(policy, egress);
  const record = {
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    tokenId: principal.tokenId,
    labels: session.labels,
  };
  // Announced before it holds: no decision is ever made under a policy that the log does not know.
  context.audit.append({ kind: 'egress.set', ...record, egress, policySha256: next.sha256, formerPolicySha256: policy.sha256 });
  await session.use(() => session.setPolicy(next));
  return { ...egress, policySha256: next.sha256 };
};

export const explainEgress: Handler<'egress.explain'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'watch');
  return session.use(async ({ egress }) => {
    if (egress !== null) return egress.explain(params.url);
    throw new SandboxError(
      'POLICY_INVALID',
      `Cannot explain egress of session ${session.session}: profile ${session.policy.profileName} has no network`,
      { hint: 'Everything is denied; use the profile workspace-write.' },
    );
  });
};

export const proposeEgress: Handler<'egress.proposal'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'watch');
  return session.use(async ({ egress }) => egress?.proposal() ?? { allow: [], seen: [], omitted: 0 });
};

export const explainPolicy: Handler<'policy.explain'> = (context, _connection, params) => context.explainEgress(params);
