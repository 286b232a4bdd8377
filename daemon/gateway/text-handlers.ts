// Text verbs of the wire: view, edit, insert, patch, undo. What they do is daemon/files; who may call them and the record
// of it is file-handlers.ts'.

import { patchedPaths } from '../files/patch-parse.ts';
import type { PermissionRequest } from '../policy/tools.ts';
import { perform } from './file-handlers.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Permit } from '../files/text-store.ts';
import type { Connection } from './connection.ts';
import { type Handler, type HandlerContext, sessionOf } from './handler.ts';
import { assertPermitted, fileRequests } from './permission-checks.ts';

type TextOperation = 'files.view' | 'files.edit' | 'files.insert' | 'files.patch' | 'files.undoEdit';

export const textHandlers: { readonly [O in TextOperation]: Handler<O> } = {
  'files.view': (context, connection, params) =>
    perform(context, connection, 'files.view', params, (files) =>
      files.text.view(params.path, { startLine: params.startLine, endLine: params.endLine, numbered: params.numbered }),
    ),
  'files.edit': (context, connection, params) =>
    perform(context, connection, 'files.edit', params, (files) =>
      files.text.edit(params.path, params.edits, permitOf(context, connection, 'files.edit', params)),
    ),
  'files.insert': (context, connection, params) =>
    perform(context, connection, 'files.insert', params, (files) =>
      files.text.insert(params.path, params.line, params.text, permitOf(context, connection, 'files.insert', params)),
    ),
  'files.patch': (context, connection, params) =>
    perform(
      context,
      connection,
      'files.patch',
      { sandbox: params.sandbox, ...patchTarget(params.patch, params.path) },
      (files) => files.text.patch(params.patch, params.path, permitOf(context, connection, 'files.patch', params)),
      ({ files }) => ({ files: files.map(({ path, from, action }) => ({ path, action, ...(from === undefined ? {} : { from }) })) }),
    ),
  'files.undoEdit': (context, connection, params) =>
    perform(context, connection, 'files.undoEdit', params, (files) =>
      files.text.undoEdit(params.path, permitOf(context, connection, 'files.undoEdit', params)),
    ),
};

/** What is written through a symlink must be permitted by its own path, too. */
function permitOf(
  context: HandlerContext,
  connection: Connection,
  operation: TextOperation,
  params: { readonly sandbox: SandboxId },
): Permit {
  return (path) => {
    const session = sessionOf(context, connection, params.sandbox);
    return assertPermitted(context, connection, session, `${operation.slice('files.'.length)} ${path}`, fileRequests(operation, { path }));
  };
}

/** A patch is as many writes and removals as it has files: each must be permitted, or none is made. */
function patchTarget(patch: string, path: string | undefined): { readonly path: string; readonly requests?: readonly PermissionRequest[] } {
  const touched = patchedPaths(patch, path);
  const [first] = touched;
  // What can't be read is refused by the call itself, and nothing of it is done.
  if (first === undefined) return { path: path ?? '.' };
  return {
    path: first.path,
    requests: touched.flatMap((file) =>
      ['files.patch', ...(file.isRemoved ? ['files.remove'] : [])].flatMap((tool) => fileRequests(tool, { path: file.path })),
    ),
  };
}
