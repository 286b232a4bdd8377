// The workspace of a session on the wire: who may do what, on record. The work is daemon/workspace's; trees travel as tar.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { WORKSPACE_OPERATIONS } from '../../client/protocol/workspace.ts';
import { maySee } from '../auth/access.ts';
import { packTree } from '../workspace/archive-pack.ts';
import { unpackTree } from '../workspace/archive-unpack.ts';
import { workspacePath } from '../files/workspace-path.ts';
import type { Need } from '../session/opened-roles.ts';
import type { RunningSandbox } from '../session/running-sandbox.ts';
import type { Session } from '../session/session.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { assertPermitted, callRequests, fileRequests } from './permission-checks.ts';
import type { SandboxId } from '../../client/protocol/names.ts';

type WorkspaceOperation = keyof typeof WORKSPACE_OPERATIONS;

interface Call {
  readonly context: HandlerContext;
  readonly connection: Connection;
  readonly operation: WorkspaceOperation;
  readonly params: { readonly sandbox: SandboxId };
  /** Of the audit record. */
  readonly about?: Readonly<Record<string, unknown>>;
  readonly need?: Need;
  /** It changes the workspace, which a read-only one refuses. */
  readonly isWriting?: boolean;
}

/** NOT_FOUND where the session has no workspace of the store: a spare, or one that is being deleted. */
export function workspaceIdOf({ workspaces }: HandlerContext, session: Session, doing: string): string {
  const record = workspaces.named(session.tenant, session.workspaceName);
  if (record === undefined) throw new SandboxError('NOT_FOUND', `Cannot ${doing}: the session has no workspace`);
  if (record.hostPath !== undefined)
    throw new SandboxError('INVALID_REQUEST', `Cannot ${doing}: the workspace is a directory of the host, of which nothing is kept`);
  return record.id;
}

async function perform<T>(call: Call, work: (session: Session) => Promise<T>): Promise<T> {
  const { context, connection, operation, params, about, need, isWriting } = call;
  const session = sessionOf(context, connection, params.sandbox, need);
  const record = {
    kind: operation,
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    tokenId: connection.principal.tokenId,
    ...about,
    labels: session.labels,
  };
  try {
    // A path that leads out is that, whatever the rules say of it.
    if (typeof about?.['path'] === 'string') workspacePath(about['path']);
    if (isWriting === true && session.policy.profile.workspace === 'ro')
      throw new SandboxError(
        'PERMISSION_DENIED',
        `Cannot call ${operation}: the profile ${session.policy.profileName} has a read-only workspace`,
      );
    await assertPermitted(context, connection, session, `call ${operation}`, callRequests(operation, about));
    const result = await work(session);
    context.audit.append({ ...record, outcome: 'done' });
    return result;
  } catch (error) {
    context.audit.append({ ...record, outcome: 'failed', code: SandboxError.is(error) ? error.code : 'INTERNAL' });
    throw error;
  }
}

/** Work in flight: the session is neither idle nor evicted meanwhile. */
const onWorkspace = <T>(call: Call, work: (id: string, sandbox: RunningSandbox, session: Session) => Promise<T>): Promise<T> =>
  perform(call, (session) =>
    session.use((sandbox) => work(workspaceIdOf(call.context, session, `call ${call.operation}`), sandbox, session)),
  );

export const workspaceHandlers: { readonly [O in WorkspaceOperation]: Handler<O> } = {
  'workspace.usage': (context, connection, params) =>
    onWorkspace({ context, connection, operation: 'workspace.usage', params }, (id) => context.workspaces.history.usage(id)),
  'workspace.snapshot': (context, connection, params) =>
    onWorkspace({ context, connection, operation: 'workspace.snapshot', params, about: { name: params.name } }, (id) =>
      context.workspaces.history.snapshot(id, params.name),
    ),
  'workspace.snapshots': (context, connection, params) =>
    onWorkspace({ context, connection, operation: 'workspace.snapshots', params }, async (id) => ({
      snapshots: await context.workspaces.history.snapshots(id),
    })),
  'workspace.deleteSnapshot': (context, connection, params) =>
    onWorkspace({ context, connection, operation: 'workspace.deleteSnapshot', params, about: { name: params.name } }, async (id) => {
      await context.workspaces.history.deleteSnapshot(id, params.name);
      return {};
    }),
  'workspace.restore': (context, connection, params) =>
    perform(
      {
        context,
        connection,
        operation: 'workspace.restore',
        params,
        about: { name: params.name },
        need: 'control',
        isWriting: true,
      },
      async (session) => {
        const id = workspaceIdOf(context, session, 'restore the workspace');
        await context.workspaces.history.requireSnapshot(id, params.name);
        await context.pool.restart(session, {
          by: 'workspace:restore',
          reason: `its workspace is restored to snapshot ${params.name}`,
          between: () => context.workspaces.restore(id, params.name),
        });
        return session.openResult(true, 'controller');
      },
    ),
  'workspace.fork': (context, connection, params) =>
    onWorkspace(
      { context, connection, operation: 'workspace.fork', params, about: { to: params.session, snapshot: params.snapshot ?? null } },
      async (id, _sandbox, { tenant }) => {
        if (!maySee(connection.principal, tenant, params.session))
          throw new SandboxError('FORBIDDEN', `Cannot fork to session ${params.session}: the token is for another session`);
        const record = await context.workspaces.fork(id, params.session, params.snapshot);
        return { session: params.session, workspace: record.name ?? '' };
      },
    ),
  'workspace.diff': (context, connection, params) =>
    onWorkspace({ context, connection, operation: 'workspace.diff', params, about: { since: params.since } }, (id) =>
      context.workspaces.history.diff(id, params.since, params.limit),
    ),
  'workspace.undo': (context, connection, params) =>
    onWorkspace(
      { context, connection, operation: 'workspace.undo', params, about: { execId: params.execId }, isWriting: true },
      (id, { files }) =>
        context.workspaces.history.undo(
          id,
          params.execId,
          {
            write: (path, source, options) => files.write(path, source, options),
            remove: (path, options) => files.remove(path, { ...options, isEmptyFine: true }),
            mkdir: (path, options) => files.mkdir(path, options),
            chmod: (path, mode) => files.chmod(path, mode),
            restoreSymlink: (path, target) => files.symlink(path, target, { mayLeadOut: true }),
          },
          params.overwrite,
        ),
    ),
  'files.upload': (context, connection, params) => {
    // Opened before anything is awaited: the client's bytes follow its request at once.
    const stream = connection.openIncoming(params.stream, 0);
    const call: Call = { context, connection, operation: 'files.upload', params, about: { path: params.path }, isWriting: true };
    return perform(call, (session) =>
      session.use(({ files }) => {
        const permitted = permission(call, session, 'files.write');
        return unpackTree({
          source: stream,
          path: params.path,
          maxBytes: session.policy.limits.diskBytes,
          target: {
            write: (path, source, options) => permitted(path, () => files.write(path, source, options)),
            mkdir: (path, options) => permitted(path, () => files.mkdir(path, options)),
            chmod: (path, mode) => files.chmod(path, mode),
            remove: (path, options) => permitted(path, () => files.remove(path, options)),
            symlink: (path, target) => permitted(path, () => files.symlink(path, target)),
          },
        });
      }),
    ).finally(() => {
      stream.stop();
      connection.closeStream(params.stream);
    });
  },
  'files.download': (context, connection, params) => {
    const call: Call = { context, connection, operation: 'files.download', params, about: { path: params.path } };
    return perform(call, (session) =>
      session.use(async ({ files }) => {
        const permitted = permission(call, session, 'files.read');
        const stream = connection.openOutgoing(params.stream, 0);
        try {
          const transfer = await packTree({
            source: {
              stat: (path) => files.stat(path),
              list: (path, options) => files.list(path, options),
              read: async function* (path, options) {
                yield* await permitted(path, async () => files.read(path, options));
              },
            },
            path: params.path,
            send: (bytes) => stream.send(bytes, false),
          });
          stream.end();
          return transfer;
        } finally {
          connection.closeStream(params.stream);
        }
      }),
    );
  },
};

/** What the rules say of the whole they say of each file in it: an archive is no way round them. */
function permission({ context, connection }: Call, session: Session, tool: 'files.read' | 'files.write') {
  return async <T>(path: string, act: () => Promise<T>): Promise<T> => {
    const asked = assertPermitted(context, connection, session, `${tool.slice('files.'.length)} ${path}`, fileRequests(tool, { path }));
    if (asked instanceof Promise) await asked;
    return await act();
  };
}
