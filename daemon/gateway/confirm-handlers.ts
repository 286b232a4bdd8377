// Answers to confirmations: only who controls the session gives them.

import { SandboxError } from '../../client/protocol/errors.ts';
import { type Handler, sessionOf } from './handler.ts';

export const answerConfirm: Handler<'confirm.answer'> = async (context, connection, params) => {
  const session = sessionOf(context, connection, params.sandbox, 'control');
  if (!context.confirmations.answer(session.id, params.id, params.answer)) {
    throw new SandboxError('NOT_FOUND', `Cannot answer confirmation ${params.id}: it is not waited for any more`, {
      hint: 'It was answered before, or too late.',
    });
  }
  return {};
};
