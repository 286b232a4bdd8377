// One thing at a time per workspace: snapshots, restores, forks, undos and the deletion take turns. Owns the queues and
// what goes on behind them; must not know what is done.

import PQueue from 'p-queue';
import { SandboxError } from '../../client/protocol/errors.ts';

/** Calls that wait for one workspace. */
const MAX_WAITING = 64;

interface Lane {
  readonly turns: PQueue;
  /** Deletions that nobody waits for but the end of the workspace. */
  readonly behind: Set<Promise<void>>;
  users: number;
}

export class WorkspaceQueues {
  /** Only of workspaces in use: a lane goes with its last user. */
  readonly #lanes = new Map<string, Lane>();

  async inTurn<Result>(id: string, task: () => Promise<Result>): Promise<Result> {
    return await this.#using(id, async ({ turns }) => {
      if (turns.size >= MAX_WAITING)
        throw new SandboxError('CAPACITY', `Cannot use workspace ${id}: ${MAX_WAITING} calls wait for it already`, { retryAfterMs: 1000 });
      return await turns.add(task);
    });
  }

  /** Goes on by itself; `task` reports its own failure. */
  behind(id: string, task: () => Promise<void>): void {
    void this.#using(id, async ({ behind }) => {
      const running = task();
      behind.add(running);
      await running.finally(() => behind.delete(running));
    }).catch(() => undefined);
  }

  /** In turn, and when nothing goes on behind. */
  async alone<Result>(id: string, task: () => Promise<Result>): Promise<Result> {
    return await this.#using(id, async ({ turns, behind }) =>
      turns.add(async () => {
        await Promise.allSettled(behind);
        return await task();
      }),
    );
  }

  async #using<Result>(id: string, use: (lane: Lane) => Promise<Result>): Promise<Result> {
    const lane = this.#lanes.get(id) ?? { turns: new PQueue({ concurrency: 1 }), behind: new Set(), users: 0 };
    this.#lanes.set(id, lane);
    lane.users += 1;
    try {
      return await use(lane);
    } finally {
      lane.users -= 1;
      if (lane.users === 0 && this.#lanes.get(id) === lane) this.#lanes.delete(id);
    }
  }
}
