// What every operation's handler gets and answers, and how it finds its session.

import type { SandboxId } from '../../client/protocol/names.ts';
import type { Operation, ParsedParams, Result } from '../../client/protocol/requests.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ClientRegistry } from '../session/client-registry.ts';
import type { Confirmations } from '../session/confirmations.ts';
import type { Need } from '../session/opened-roles.ts';
import type { SessionPool } from '../session/pool.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import type { PreviewServer } from './ports/preview-server.ts';

export interface HandlerContext {
  readonly pool: SessionPool;
  readonly clients: ClientRegistry;
  readonly previews: PreviewServer;
  readonly confirmations: Confirmations;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly heartbeatMs: number;
  /** PEM. */
  readonly receiptKey: string;
}

export type Handler<O extends Operation> = (context: HandlerContext, connection: Connection, params: ParsedParams<O>) => Promise<Result<O>>;

/** The session of a call, in a role that allows it; a controller that was fenced off is told so. */
export function sessionOf(context: HandlerContext, connection: Connection, id: SandboxId, need: Need = 'work'): Session {
  const session = context.pool.find(id, connection.principal);
  connection.roles.assertMay(need, session, connection.clientId, connection.principal);
  return session;
}
