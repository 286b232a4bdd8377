// Which session goes when another one needs its place. Decides only; the pool closes it.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Session } from './session.ts';

/** The least recently used session without work in flight, controlled ones last. CAPACITY: every one is working. */
export function chooseVictim(sessions: readonly Session[]): Session {
  const idle = sessions.filter((session) => session.state === 'running' && !session.isBusy);
  idle.sort((a, b) => Number(a.isControlled) - Number(b.isControlled) || a.lastUsedAtMs - b.lastUsedAtMs);
  const [victim] = idle;
  if (victim === undefined)
    throw new SandboxError('CAPACITY', 'Cannot open a session: the pool is full and every session is working', { retryAfterMs: 5000 });
  return victim;
}
