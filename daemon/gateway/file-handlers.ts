// File verbs of the wire, carried to the sandbox's file worker. Owns streams and the refusal of writes to read-only
// workspaces; the verbs themselves are daemon/files.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { SandboxFiles } from '../files/sandbox-files.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';

type FileOperation =
  | 'files.read'
  | 'files.write'
  | 'files.list'
  | 'files.stat'
  | 'files.mkdir'
  | 'files.remove'
  | 'files.move'
  | 'files.copy'
  | 'files.chmod'
  | 'files.readlink'
  | 'files.symlink';

interface Target {
  readonly sandbox: SandboxId;
  readonly path: string;
}

const READING: ReadonlySet<FileOperation> = new Set<FileOperation>(['files.read', 'files.list', 'files.stat', 'files.readlink']);

/** One audited call; in a read-only workspace a write never reaches the sandbox (and its mount would refuse it as well). */
async function perform<T>(
  context: HandlerContext,
  connection: Connection,
  operation: FileOperation,
  target: Target,
  call: (files: SandboxFiles) => Promise<T>,
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
    const result = await session.use((sandbox) => call(sandbox.files));
    context.audit.append({ ...record, outcome: 'done' });
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
        exclusive: params.exclusive,
        ...(params.mode === undefined ? {} : { mode: params.mode }),
        ...(params.ifMatch === undefined ? {} : { ifMatch: params.ifMatch }),
      }),
    ).finally(() => {
      stream.stop();
      connection.closeStream(params.stream);
    });
  },
  'files.list': (context, connection, params) =>
    perform(context, connection, 'files.list', params, (files) =>
      files.list(params.path, { recursive: params.recursive, limit: params.limit }),
    ),
  'files.stat': (context, connection, params) =>
    perform(context, connection, 'files.stat', params, (files) => files.stat(params.path, { followSymlink: params.followSymlink })),
  'files.mkdir': (context, connection, params) =>
    perform(context, connection, 'files.mkdir', params, async (files) => {
      await files.mkdir(params.path, { parents: params.parents, ...(params.mode === undefined ? {} : { mode: params.mode }) });
      return {};
    }),
  'files.remove': (context, connection, params) =>
    perform(context, connection, 'files.remove', params, async (files) => {
      await files.remove(params.path, { recursive: params.recursive, force: params.force });
      return {};
    }),
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
    perform(context, connection, 'files.chmod', params, async (files) => {
      await files.chmod(params.path, params.mode);
      return {};
    }),
  'files.readlink': (context, connection, params) =>
    perform(context, connection, 'files.readlink', params, async (files) => ({ target: await files.readlink(params.path) })),
  'files.symlink': (context, connection, params) =>
    perform(context, connection, 'files.symlink', params, async (files) => {
      await files.symlink(params.path, params.target);
      return {};
    }),
};
