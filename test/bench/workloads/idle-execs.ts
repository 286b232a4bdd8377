// Many commands that are watched and silent: what watching costs.

import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import type { Workload } from '../harness/workload.ts';

const EXECS = 100;
const SETTLE_MS = 2_000;
const WATCH_MS = 10_000;
const QUICK_WATCH_MS = 4_000;

export const idleExecs: Workload = {
  name: 'idle execs',
  unit: '%',
  what: 'processor time of the daemon while 100 attached commands are silent',
  async run({ open, daemon }, { isQuick }) {
    const sandbox = await open({ limits: { execs: EXECS, pids: 512 } });
    const readers = Array.from({ length: EXECS }, async () => {
      for await (const _ of sandbox.exec(['sleep', '600']));
    });
    const ended = Promise.allSettled(readers);
    await setTimeout(SETTLE_MS);
    const [startedAt, before] = [performance.now(), await daemon.cpuSeconds()];
    await setTimeout(isQuick ? QUICK_WATCH_MS : WATCH_MS);
    const share = ((await daemon.cpuSeconds()) - before) / ((performance.now() - startedAt) / 1000);
    const { length: running } = (await sandbox.execs()).filter(({ state }) => state === 'running');
    if (running !== EXECS) throw new Error(`Cannot count the commands: ${running} of ${EXECS} run`);
    await sandbox.close();
    await ended;
    return [{ name: 'cloister', values: [share * 100] }];
  },
};
