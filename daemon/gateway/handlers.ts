// Operation -> what it does. Looks up the session, checks role and lease, and hands over to the feature.

import { SandboxError } from '../../client/protocol/errors.ts';
import { PROTOCOL_VERSION } from '../../client/protocol/frames.ts';
import type { Operation, ParsedParams } from '../../client/protocol/requests.ts';
import type { Dispatch } from './connection.ts';
import { attachExec, execList, killExec, resizeExec, startExec } from './exec-handlers.ts';
import { fileHandlers } from './file-handlers.ts';
import type { Handler, HandlerContext } from './handler.ts';
import { portsUrl } from './ports/port-handlers.ts';

type Handlers = { readonly [O in Operation]: Handler<O> };

const HANDLERS: Handlers = {
  hello: async (context, connection, params) => {
    if (params.protocol !== PROTOCOL_VERSION) {
      throw new SandboxError('PROTOCOL_VERSION', `Cannot speak protocol ${params.protocol}: this daemon speaks ${PROTOCOL_VERSION}`);
    }
    if (connection.client !== null) throw new SandboxError('INVALID_REQUEST', 'Cannot say hello twice');
    const { principal } = connection;
    connection.client = context.clients.connected(params.clientId, principal, params.disconnectGraceMs, connection.disconnect);
    return { protocol: PROTOCOL_VERSION, daemonVersion: context.version, heartbeatMs: context.heartbeatMs, tenant: principal.tenant, role: principal.role, receiptKey: context.receiptKey };
  },
  open: async (context, connection, params) => context.pool.open(params, connection.principal, connection.clientId),
  close: async (context, connection, params) => {
    const session = context.pool.find(params.sandbox, connection.principal);
    if (connection.principal.role !== 'operator') session.assertController(connection.clientId);
    await context.pool.close(session, connection.principal.role === 'operator' ? 'closed by an operator' : 'closed by its controller', params.workspace);
    return {};
  },
  list: async (context, connection, params) => ({ sandboxes: context.pool.list(params, connection.principal).map((session) => session.info()) }),
  extend: async (context, connection, params) => {
    const session = context.pool.find(params.sandbox, connection.principal);
    if (connection.principal.role !== 'operator') session.assertController(connection.clientId);
    await session.extend({ ttlMs: params.ttlMs, idleMs: params.idleMs });
    return session.info();
  },
  'exec.start': startExec,
  'exec.attach': attachExec,
  'exec.kill': killExec,
  'exec.resize': resizeExec,
  'exec.list': execList,
  'ports.url': portsUrl,
  ...fileHandlers,
};

export function createDispatch(context: HandlerContext): Dispatch {
  return async (connection, operation, params) => {
    // Safe because: the connection has parsed the parameters with this very operation's schema.
    const handler = HANDLERS[operation] as Handler<Operation>;
    return handler(context, connection, params as ParsedParams<Operation>);
  };
}
