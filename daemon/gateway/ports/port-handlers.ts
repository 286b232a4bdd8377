// Ports on the wire: asking for the address of a preview.

import { type Handler, sessionOf } from '../handler.ts';
import { assertPermitted } from '../permission-checks.ts';

export const portsUrl: Handler<'ports.url'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox);
  // A sandbox that is gone is told now, not to whoever opens the address.
  session.sandbox();
  const { principal } = connection;
  const asked = assertPermitted(context, connection, session, `preview port ${params.port}`, [
    { tool: 'ports.url', args: { port: String(params.port) } },
  ]);
  if (asked instanceof Promise) await session.use(() => asked);
  const { url, expiresAt } = context.previews.urlFor({ sandbox: session.id, port: params.port }, principal, params.ttlMs);
  const at = new Date(expiresAt).toISOString();
  context.audit.append({
    kind: 'ports.url',
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    port: params.port,
    tokenId: principal.tokenId,
    expiresAt: at,
    labels: session.labels,
  });
  return { url, expiresAt: at };
};
