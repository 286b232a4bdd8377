// What a host says its model has used: on record, and summed for its session.

import { type Handler, sessionOf } from './handler.ts';

export const reportUsage: Handler<'report'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox);
  const { sandbox: _sandbox, labels, ...usage } = params;
  const sums = context.usage.sum(session, usage);
  context.audit.append({
    kind: 'session.report',
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    tokenId: connection.principal.tokenId,
    ...usage,
    sums,
    labels: { ...session.labels, ...labels },
  });
  context.usage.keep(session, sums);
  return sums;
};
