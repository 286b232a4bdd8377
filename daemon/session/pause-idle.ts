// Pauses the sandboxes that have had nothing to do for long enough, a few per sweep: each costs the engine a call.

import type { Log } from '../observe/log.ts';
import type { Session } from './session.ts';

const MAX_PER_SWEEP = 16;

export interface PauseIdleOptions {
  /** null: never. */
  readonly pauseIdleMs: number | null;
  readonly log: Log;
}

export function pauseIdle(sessions: readonly Session[], nowMs: number, { pauseIdleMs, log }: PauseIdleOptions): void {
  if (pauseIdleMs === null) return;
  const due = sessions.filter((session) => session.isPauseDue(nowMs, pauseIdleMs));
  for (const session of due.slice(0, MAX_PER_SWEEP)) {
    session.pause({ isForced: false }).catch((error: unknown) => {
      log.warn({ sandboxId: session.id, err: error }, 'idle sandbox not paused');
    });
  }
}
