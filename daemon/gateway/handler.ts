// What every operation's handler gets and answers, and how it finds its session.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Operation, ParsedParams, Result } from '../../client/protocol/requests.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { ClientRegistry } from '../session/client-registry.ts';
import type { SessionPool } from '../session/pool.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import type { PreviewServer } from './ports/preview-server.ts';

export interface HandlerContext {
  readonly pool: SessionPool;
  readonly clients: ClientRegistry;
  readonly previews: PreviewServer;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly version: string;
  readonly heartbeatMs: number;
  /** PEM. */
  readonly receiptKey: string;
}

export type Handler<O extends Operation> = (context: HandlerContext, connection: Connection, params: ParsedParams<O>) => Promise<Result<O>>;
/** The session of a call; a controller that was fenced off is told so. */
export function sessionOf(context: HandlerContext, connection: Connection, id: SandboxId): Session {
  const session = context.pool.find(id, connection.principal);
  if (connection.lostLeases.has(id)) {
    throw new SandboxError('LEASE_LOST', `Cannot act on session ${session.session}: another connection took it over`);
  }
  return session;
}
