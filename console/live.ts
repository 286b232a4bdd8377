// What every page shows of the present: all sandboxes with what they use, the host, the questions that wait. Asked once for all.

import { createContext } from 'preact';
import { useContext, useMemo, useRef } from 'preact/hooks';
import type { ConfirmRequest } from '../client/protocol/confirm.ts';
import { canAct, isOperator, useAccess } from './access.ts';
import type { ConfirmationsAnswer, Overview } from './answers.ts';
import { type Polled, usePolling } from './polling.ts';

const EVERY_MS = 2000;

export interface Live {
  readonly overview: Polled<Overview>;
  /** null: this token may not answer any. */
  readonly confirmations: Polled<readonly ConfirmRequest[]> | null;
}

export const LiveContext = createContext<Live | null>(null);

export function useLive(): Live {
  const access = useAccess();
  const mayAnswer = isOperator(access) && canAct(access);
  const overview = usePolling('overview', (signal) => access.http.get<Overview>('/v1/overview', signal), EVERY_MS);
  const known = useRef<readonly ConfirmRequest[]>([]);
  const confirmations = usePolling<readonly ConfirmRequest[]>(
    'confirmations',
    async (signal) => {
      if (!mayAnswer) return known.current;
      const { confirmations: asked } = await access.http.get<ConfirmationsAnswer>('/v1/confirmations', signal);
      // The same questions are the same list, so that nothing is drawn again for them.
      if (asked.map(({ id }) => id).join() !== known.current.map(({ id }) => id).join()) known.current = asked;
      return known.current;
    },
    EVERY_MS,
  );
  return useMemo(() => ({ overview, confirmations: mayAnswer ? confirmations : null }), [overview, confirmations, mayAnswer]);
}

export function useLiveContext(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error('outside of the frame');
  return live;
}
