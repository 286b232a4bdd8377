// File verbs of the wire, carried to the sandbox's file worker. Owns streams and the refusal of writes to read-only
// workspaces; the verbs themselves are daemon/files.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { SandboxFiles } from '../files/sandbox-files.ts';
import type { PermissionRequest } from '../policy/tools.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { assertPermitted, fileRequests } from './permission-checks.ts';

type FileOperation =
  | 'files.read'
  | 'files.write'
  | 'files.stat'
  | 'files.mkdir'
  | 'files.remove'
  | 'files.move'
  | 'files.copy'
  | 'files.chmod'
  | 'files.readlink'
  | 'files.symlink';
type SearchOperation = 'files.list' | 'files.glob' | 'files.grep';
type TextOperation = 'files.view' | 'files.edit' | 'files.insert' | 'files.patch' | 'files.undoEdit';

interface Target {
  readonly sandbox: SandboxId;
  readonly path: string;
  readonly to?: string;
  /** What must be permitted, where it is not this path alone. */
  readonly requests?: readonly PermissionRequest[];
}

const READING: ReadonlySet<FileOperation | SearchOperation | TextOperation> = new Set([
  'files.read',
  'files.list',
  'files.glob',
  'files.grep',
  'files.stat',
  'files.readlink',
  'files.view',
]);

/** One audited call; in a read-only workspace a write never reaches the sandbox (and its mount would refuse it as well). */
export async function perform<T>(
  context: HandlerContext,
  connection: Connection,
  operation: FileOperation | SearchOperation | TextOperation,
  target: Target,
  call: (files: SandboxFiles) => Promise<T>,
  /** What the record says of the result. */
  told: (result: T) => object = () => ({}),
): Promise<T> {
  const session = sessionOf(context, connection, target.sandbox);
  const record = {
    kind: operation,
    tenant: session.tenant,
    session: session.session,
    sandboxId: session.id,
    tokenId: connection.principal.tokenId,
    path: target.path,
    labels: session.labels,
  };
  try {
    if (session.policy.profile.workspace === 'ro' && !READING.has(operation)) {
      throw new SandboxError(
        'PERMISSION_DENIED',
        `Cannot write ${target.path}: the profile ${session.policy.profileName} has a read-only workspace`,
      );
    }
    const asked = assertPermitted(
      context,
      connection,
      session,
      `${operation.slice('files.'.length)} ${target.path}`,
      target.requests ?? fileRequests(operation, target),
    );
    if (asked instanceof Promise) await session.use(() => asked);
    const result = await session.use((sandbox) => call(sandbox.files));
    context.audit.append({ ...record, ...told(result), outcome: 'done' });
    return result;
  } catch (error) {
    context.audit.append({ ...record, outcome: 'failed', code: SandboxError.is(error) ? error.code : 'INTERNAL' });
    throw error;
  }
}

export const fileHandlers: { readonly [O in FileOperation]: Handler<O> } = {
  'files.read': (context, connection, params) =>
    perform(context, connection, 'files.read', params, async (files) => {
      const stream = connection.openOutgoing(params.stream, 0);
      try {
        const reading = files.read(params.path, {
          offset: params.offset,
          ...(params.length === undefined ? {} : { length: params.length }),
          ifUnchanged: params.ifUnchanged,
        });
        for await (const chunk of reading) {
          // The client has what it wants; the answer still says what the file is.
          if (!(await stream.send(chunk, false))) return await files.stat(params.path);
        }
        stream.end();
        return await reading.stat;
      } finally {
        connection.closeStream(params.stream);
      }
    }),
  'files.write': (context, connection, params) => {
    // Opened before anything is awaited: the client's bytes follow its request at once.
    const stream = connection.openIncoming(params.stream, 0);
    return perform(context, connection, 'files.write', params, (files) =>
      files.write(params.path, stream, {
        append: params.append,
        at: params.at,
        keepsPartial: params.keepPartial,
        exclusive: params.exclusive,
        ...(params.mode === undefined ? {} : { mode: params.mode }),
        ...(params.ifMatch === undefined ? {} : { ifMatch: params.ifMatch }),
      }),
    ).finally(() => {
      stream.stop();
      connection.closeStream(params.stream);
    });
  },
  'files.stat': (context, connection, params) =>
    perform(context, connection, 'files.stat', params, (files) => files.stat(params.path, { followSymlink: params.followSymlink })),
  'files.mkdir': (context, connection, params) =>
    perform(context, connection, 'files.mkdir', params, async (files) => {
      await files.mkdir(params.path, { parents: params.parents, ...(params.mode === undefined ? {} : { mode: params.mode }) });
      return {};
    }),
  'files.remove': (context, connection, params) =>
    perform(context, connection, 'files.remove', params, async (files) => ({
      removed: await files.removeCounted(params.path, { recursive: params.recursive, force: params.force }),
    })),
  'files.move': (context, connection, params) =>
    perform(context, connection, 'files.move', params, async (files) => {
      await files.move(params.path, params.to, { overwrite: params.overwrite });
      return {};
    }),
  'files.copy': (context, connection, params) =>
    perform(context, connection, 'files.copy', params, async (files) => {
      await files.copy(params.path, params.to, { recursive: params.recursive, overwrite: params.overwrite });
      return {};
    }),
  'files.chmod': (context, connection, params) =>
    perform(context, connection, 'files.chmod', params, (files) => files.chmodCounted(params.path, params.mode, params.recursive)),
  'files.readlink': (context, connection, params) =>
    perform(context, connection, 'files.readlink', params, async (files) => ({ target: await files.readlink(params.path) })),
  'files.symlink': (context, connection, params) =>
    perform(context, connection, 'files.symlink', params, async (files) => {
      await files.symlink(params.path, params.target);
      return {};
    }),
};
