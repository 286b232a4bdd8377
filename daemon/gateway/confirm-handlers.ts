// Questions and their answers: who controls the session gives them, or an operator in its place.

import { SandboxError } from '../../client/protocol/errors.ts';
import { type Handler, sessionOf } from './handler.ts';

export const answerConfirm: Handler<'confirm.answer'> = async (context, connection, params) => {
  const { principal } = connection;
  const session = sessionOf(context, connection, params.sandbox, 'control');
  const isController = session.controller === connection.clientId;
  const by = isController ? 'controller' : `${principal.role}:${principal.tokenId.slice(0, 8)}`;
  if (!context.confirmations.answer(session.id, params.id, params.answer, by)) {
    throw new SandboxError('NOT_FOUND', `Cannot answer confirmation ${params.id}: it is not waited for any more`, {
      hint: 'It was answered before, or too late.',
    });
  }
  return {};
};

/** Those that this connection may answer. */
export const listConfirms: Handler<'confirm.list'> = async (context, connection, params) => {
  const { principal } = connection;
  const visible = new Set(
    context.pool
      .list(params, principal)
      .filter((session) => principal.role === 'operator' || session.controller === connection.clientId)
      .map(({ id }) => id),
  );
  return { confirmations: context.confirmations.list().filter(({ sandboxId }) => visible.has(sandboxId)) };
};
