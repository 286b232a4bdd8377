// /v1/confirmations and /v1/config over plain HTTP, for operators: questions that wait and their answers, the configuration in
// force, reading it again, taking a change back.

import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ConfigChange, ConfigInForce } from '../../client/protocol/operate.ts';
import type { Principal } from '../auth/principal.ts';
import type { Confirmations } from '../session/confirmations.ts';
import type { Route, RouteCall } from './route.ts';

const Answer = z.strictObject({ answer: z.enum(['allow-once', 'allow-session', 'deny']) });

export interface OperateRoutesOptions {
  readonly confirmations: Confirmations;
  readonly configuration: { print(): ConfigInForce; reload(by: string): ConfigChange; revert(by: string): ConfigChange };
}

export function operateRoutes({ confirmations, configuration }: OperateRoutesOptions): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/confirmations',
      handle: operators('read confirmations', () => ({ confirmations: confirmations.list() })),
    },
    {
      method: 'POST',
      path: '/v1/confirmations/:id',
      handle: operators('answer a confirmation', async ({ id, body }, by) => {
        const { answer } = await body(Answer);
        const asked = confirmations.list().find((request) => request.id === id);
        if (asked === undefined || !confirmations.answer(asked.sandboxId, id, answer, by))
          throw new SandboxError('NOT_FOUND', `Cannot answer confirmation ${id}: it is not waited for`, {
            hint: 'It was answered before, or too late.',
          });
        return { id, answer };
      }),
    },
    { method: 'GET', path: '/v1/config', handle: operators('read the configuration', () => configuration.print()) },
    { method: 'POST', path: '/v1/config/reload', handle: operators('reload the configuration', (_call, by) => configuration.reload(by)) },
    { method: 'POST', path: '/v1/config/revert', handle: operators('revert the configuration', (_call, by) => configuration.revert(by)) },
  ];
}

/** `by`: the operator, as the record names it. */
function operators(doing: string, answer: (call: RouteCall, by: string) => unknown): Route['handle'] {
  return async (call) => {
    assertOperator(call.principal, doing);
    return { status: 200, body: await answer(call, `operator:${call.principal.tokenId.slice(0, 8)}`) };
  };
}

function assertOperator({ role, isReadOnly }: Principal, doing: string): void {
  if (role === 'operator' && !isReadOnly) return;
  throw new SandboxError('FORBIDDEN', `Cannot ${doing}: only operators may`, { hint: 'Use a token of role operator.' });
}
