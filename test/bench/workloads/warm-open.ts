// A sandbox from a spare: until its receipt is here, until its first output is here, and a hundred at once.

import type { Sandbox } from 'cloister';
import { compare, type Contender } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import { openWarmStage, type WarmStage } from '../harness/warm-stage.ts';
import type { Workload } from '../harness/workload.ts';
import { runDocker } from '../peers/docker-cli.ts';

const SPARES = 2;
const BURST = 100;
const QUICK_BURST = 10;
const PERCENTILE = 0.95;

const dockerRun = ({ daemon, flags, image }: Stage, ...command: string[]): Contender => ({
  name: 'docker run',
  sample: async () => void (await runDocker(daemon.engineSocket, ['run', '--rm', ...flags, image, ...command])),
});

function fromSpare(warm: WarmStage, use: (sandbox: Sandbox) => Promise<void>): Contender {
  let close = async (): Promise<void> => undefined;
  return {
    name: 'cloister',
    sample: async () => {
      const sandbox = await warm.open(true);
      await use(sandbox);
      close = () => sandbox.close();
    },
    settle: async () => {
      await close();
      await warm.filled();
    },
  };
}

const effort = (isQuick: boolean) => (isQuick ? { warmUp: 1, rounds: 8 } : { warmUp: 2, rounds: 30 });

export const warmOpen: Workload = {
  name: 'warm open',
  unit: 'ms',
  what: 'open of a new session that gets a spare, until its receipt is here; a hardened `docker run --rm` of `true` until it is gone',
  async run(stage, { isQuick }) {
    const warm = await openWarmStage(stage, SPARES);
    await warm.filled();
    return await compare([fromSpare(warm, async () => undefined), dockerRun(stage, 'true')], effort(isQuick));
  },
};

export const openToOutput: Workload = {
  name: 'open to output',
  unit: 'ms',
  what: 'open of a new session that gets a spare and an `echo` in it, until its output is here; `docker run --rm` of the same',
  async run(stage, { isQuick }) {
    const warm = await openWarmStage(stage, SPARES);
    await warm.filled();
    const echo = fromSpare(warm, async (sandbox) => void (await sandbox.exec(['echo', 'hello'])));
    return await compare([echo, dockerRun(stage, 'echo', 'hello')], effort(isQuick));
  },
};

export const burst: Workload = {
  name: 'burst',
  unit: 'ms',
  what: `95th percentile of ${BURST} opens at the same moment with as many spares (${QUICK_BURST} in a quick run); one \`docker run\``,
  async run(stage, { isQuick }) {
    const count = isQuick ? QUICK_BURST : BURST;
    const warm = await openWarmStage(stage, count);
    await warm.filled();
    const opens = Array.from({ length: count }, async () => {
      const startedAt = performance.now();
      const sandbox = await warm.open(true);
      return { sandbox, ms: performance.now() - startedAt };
    });
    const opened = await Promise.all(opens);
    const times = opened.map(({ ms }) => ms).sort((a, b) => a - b);
    await Promise.all(opened.map(({ sandbox }) => sandbox.close()));
    const ours = { name: 'cloister', values: [times[Math.ceil(count * PERCENTILE) - 1] ?? Number.NaN] };
    return [ours, ...(await compare([dockerRun(stage, 'true')], { warmUp: 1, rounds: 5 }))];
  },
};
