// Sessions on the wire beyond opening and closing: pausing, and what becomes of a controller that was fenced off.

import { z } from 'zod';
import { CLOSE_CODE } from '../../client/protocol/frames.ts';
import { SandboxId } from '../../client/protocol/names.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import type { Session } from '../session/session.ts';

/** Between the answer LEASE_LOST and the end of a connection that has nothing else: time to open something. */
const FENCED_OFF_MS = 1000;

export const pauseSandbox: Handler<'pause'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'control');
  await session.pause({ isForced: params.force });
  record(context, connection, session, 'sandbox.pause');
  return session.info();
};

export const resumeSandbox: Handler<'resume'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'control');
  await session.resume();
  record(context, connection, session, 'sandbox.resume');
  return session.info();
};

function record(context: HandlerContext, connection: Connection, session: Session, kind: 'sandbox.pause' | 'sandbox.resume'): void {
  const { id: sandboxId, tenant, session: name, labels } = session;
  context.audit.append({ kind, tenant, session: name, sandboxId, tokenId: connection.principal.tokenId, labels });
}

/** It was told that it lost its session, and goes on calling: without anything else open it has no business here. */
export function endFencedOff(context: HandlerContext, connection: Connection, params: unknown): void {
  const { sandbox } = z.object({ sandbox: SandboxId.optional() }).catch({}).parse(params);
  if (sandbox === undefined) return;
  context.clock.after(FENCED_OFF_MS, () => {
    if (connection.roles.holdsOnly(sandbox) && context.pool.controllerOf(sandbox) !== connection.clientId)
      connection.close(CLOSE_CODE.leaseLost, 'another connection took the session over');
  });
}
