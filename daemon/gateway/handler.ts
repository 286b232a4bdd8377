// What every operation's handler gets and answers, and how it finds its session.

import type { PolicyExplain } from '../../client/protocol/egress.ts';
import type { EgressDecision } from '../../client/protocol/exec.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Operation, ParsedParams, Result } from '../../client/protocol/requests.ts';
import type { ImageShelf } from '../container/image/image-shelf.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { PermissionGate } from '../session/permission-gate.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import type { ClientRegistry } from '../session/client-registry.ts';
import type { Confirmations } from '../session/confirmations.ts';
import type { Need } from '../session/opened-roles.ts';
import type { SessionPool } from '../session/pool.ts';
import type { Session } from '../session/session.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import type { Configuration } from './configuration.ts';
import type { Connection } from './connection.ts';
import type { DeniedExecs } from './denied-execs.ts';
import type { UsageBook } from '../session/usage-book.ts';
import type { PreviewServer } from './ports/preview-server.ts';

export interface HandlerContext {
  /** Of what a session would be granted that has no sandbox. */
  readonly explainEgress: (asked: PolicyExplain) => Promise<EgressDecision>;
  readonly pool: SessionPool;
  readonly clients: ClientRegistry;
  readonly images: Pick<ImageShelf, 'add' | 'list' | 'remove'>;
  readonly previews: PreviewServer;
  readonly workspaces: WorkspaceKeeper;
  readonly confirmations: Confirmations;
  readonly configuration: Configuration;
  readonly permissions: { readonly gate: PermissionGate; readonly denied: DeniedExecs };
  readonly audit: AuditLog;
  readonly secrets: SecretStore;
  readonly usage: UsageBook;
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
