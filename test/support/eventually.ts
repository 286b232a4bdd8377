// Waiting in tests for what has no event: asks again until the answer suits; the limit only guards against a hang.

import { setTimeout as sleep } from 'node:timers/promises';

const ASK_AGAIN_MS = 50;

/** The first answer that is accepted; after the limit the last one, for the assertion to show. */
export async function eventually<T>(ask: () => Promise<T> | T, isAccepted: (answer: T) => boolean, limitMs = 20_000): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (isAccepted(answer) || performance.now() >= deadline) return answer;
    await sleep(ASK_AGAIN_MS);
  }
}

/** The code of the error a promise rejects with, or `no error`. */
export const codeOf = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => 'no error',
    (error: { code?: unknown }) => error.code ?? error,
  );
