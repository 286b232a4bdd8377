// A failure as it stands in an answer. What is no SandboxError is internal, and its text stays here.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { ErrorBody } from '../../client/protocol/requests.ts';

export function errorBody(error: unknown, id: number): ErrorBody {
  const failure = SandboxError.is(error)
    ? error
    : new SandboxError('INTERNAL', 'Cannot answer: an internal failure, logged under the request id');
  const { code, message, retry, hint, retryAfterMs } = failure;
  return {
    code,
    message,
    retry,
    hint,
    requestId: failure.requestId ?? String(id),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}
