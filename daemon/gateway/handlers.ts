// Operation -> what it does. Looks up the session, checks role and lease, and hands over to the feature.

import { z } from 'zod';
import { type ErrorCode, SandboxError } from '../../client/protocol/errors.ts';
import { PROTOCOL_VERSION } from '../../client/protocol/frames.ts';
import type { Operation, ParsedParams } from '../../client/protocol/requests.ts';
import { assertMayCall } from '../auth/access.ts';
import type { Connection, Dispatch } from './connection.ts';
import { attachExec, execList, killExec, resizeExec, startExec } from './exec-handlers.ts';
import { configGet, configReload, configRevert } from './config-handlers.ts';
import { answerConfirm, listConfirms } from './confirm-handlers.ts';
import { explainEgress, explainPolicy, proposeEgress, setEgress } from './egress-handlers.ts';
import { fileHandlers } from './file-handlers.ts';
import { searchHandlers } from './file-search-handlers.ts';
import { watchFiles } from './file-watch-handler.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { addImage, listImages, removeImage } from './image-handlers.ts';
import { permissionsExplain, permissionsGet } from './permission-handlers.ts';
import { reportUsage } from './report-handler.ts';
import { assertSecretsFit, setOpenSecrets, setSecret } from './secret-handlers.ts';
import { endFencedOff, pauseSandbox, resumeSandbox } from './session-handlers.ts';
import { recordAnyway } from '../session/record-anyway.ts';
import { portsUrl } from './ports/port-handlers.ts';
import { textHandlers } from './text-handlers.ts';
import { workspaceHandlers } from './workspace-handlers.ts';

/** Refusals that somebody may ask about later; of files, every call is recorded with its outcome anyway. */
const DENIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'SESSION_BUSY',
  'LEASE_LOST',
  'QUOTA_EXCEEDED',
  'CAPACITY',
  'IMAGE_NOT_ALLOWED',
  'PROFILE_UNKNOWN',
  'POLICY_INVALID',
]);

type Handlers = { readonly [O in Operation]: Handler<O> };

const HANDLERS: Handlers = {
  hello: async (context, connection, params) => {
    if (params.protocol !== PROTOCOL_VERSION) {
      throw new SandboxError('PROTOCOL_VERSION', `Cannot speak protocol ${params.protocol}: this daemon speaks ${PROTOCOL_VERSION}`);
    }
    if (connection.client !== null) throw new SandboxError('INVALID_REQUEST', 'Cannot say hello twice');
    const { principal } = connection;
    connection.client = context.clients.connected(params.clientId, principal, params.disconnectGraceMs, connection.disconnect);
    return {
      protocol: PROTOCOL_VERSION,
      daemonVersion: context.version,
      heartbeatMs: context.heartbeatMs,
      tenant: principal.tenant,
      role: principal.role,
      receiptKey: context.receiptKey,
    };
  },
  open: async (context, connection, params) => {
    const { clientId } = connection;
    assertSecretsFit(params);
    const result = await context.pool.open(params, connection.principal, clientId);
    if (params.secrets !== undefined)
      await setOpenSecrets(context, connection, context.pool.find(result.id, connection.principal), params, result.created);
    connection.roles.add(result.id, params.role);
    // Gone while the sandbox started: its lease waits for it like that of a client that went later.
    if (connection.client?.disconnect === null) context.pool.controllerLost(clientId);
    return result;
  },
  close: async (context, connection, params) => {
    const session = sessionOf(context, connection, params.sandbox, 'control');
    await context.pool.close(
      session,
      connection.principal.role === 'operator' ? 'closed by an operator' : 'closed by its controller',
      params.workspace,
    );
    return {};
  },
  list: async (context, connection, params) => ({
    sandboxes: context.pool.list(params, connection.principal).map((session) => session.info()),
  }),
  extend: async (context, connection, params) => {
    const session = sessionOf(context, connection, params.sandbox, 'control');
    await session.extend({ ttlMs: params.ttlMs, idleMs: params.idleMs });
    return session.info();
  },
  pause: pauseSandbox,
  resume: resumeSandbox,
  'exec.start': startExec,
  'exec.attach': attachExec,
  'exec.kill': killExec,
  'exec.resize': resizeExec,
  'exec.list': execList,
  'confirm.answer': answerConfirm,
  'confirm.list': listConfirms,
  'permissions.get': permissionsGet,
  'permissions.explain': permissionsExplain,
  'config.get': configGet,
  'config.reload': configReload,
  'config.revert': configRevert,
  'egress.set': setEgress,
  'egress.explain': explainEgress,
  'egress.proposal': proposeEgress,
  'policy.explain': explainPolicy,
  'ports.url': portsUrl,
  'secrets.set': setSecret,
  report: reportUsage,
  ...fileHandlers,
  ...searchHandlers,
  'files.watch': watchFiles,
  ...textHandlers,
  ...workspaceHandlers,
  'image.add': addImage,
  'image.list': listImages,
  'image.remove': removeImage,
};

export function createDispatch(context: HandlerContext): Dispatch {
  return async (connection, operation, params) => {
    // Safe because: the connection has parsed the parameters with this very operation's schema.
    const handler = HANDLERS[operation] as Handler<Operation>;
    try {
      assertMayCall(connection.principal, operation);
      return await handler(context, connection, params as ParsedParams<Operation>);
    } catch (error) {
      if (SandboxError.is(error, 'LEASE_LOST')) endFencedOff(context, connection, params);
      if (SandboxError.is(error) && DENIALS.has(error.code)) recordDenial(context, connection, operation, params, error);
      throw error;
    }
  };
}

function recordDenial(context: HandlerContext, connection: Connection, operation: Operation, params: unknown, error: SandboxError): void {
  const { tenant, role, tokenId } = connection.principal;
  const { session, sandbox } = z.object({ session: z.string().optional(), sandbox: z.string().optional() }).catch({}).parse(params);
  recordAnyway(context, {
    kind: 'denied',
    op: operation,
    code: error.code,
    message: error.message,
    tenant,
    role,
    tokenId,
    ...(session === undefined ? {} : { session }),
    ...(sandbox === undefined ? {} : { sandboxId: sandbox }),
  });
}
