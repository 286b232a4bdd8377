// Commands in several sandboxes at once, one after the other in each.

import { performance } from 'node:perf_hooks';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';
import { dockerodeExec } from '../peers/dockerode-exec.ts';
import { expectSuccess } from './exec-true.ts';

const SANDBOXES = 8;
const COMMANDS_EACH = 50;

export const parallel: Workload = {
  name: 'parallel',
  unit: 'execs/s',
  what: 'commands per second of 8 sandboxes together; of 8 loops in one container for dockerode',
  async run({ open, docker, peerContainer }, { isQuick }) {
    const sandboxes = await Promise.all(Array.from({ length: SANDBOXES }, () => open()));
    const contenders = [
      {
        name: 'cloister',
        sample: () => rate(COMMANDS_EACH, (lane) => runTrue(sandboxes[lane])),
      },
      {
        name: 'dockerode exec',
        perRound: 0.34,
        sample: () => rate(2, async () => void (await dockerodeExec(docker, peerContainer, ['true']))),
      },
    ];
    const samples = await compare(contenders, isQuick ? { warmUp: 1, rounds: 4 } : { warmUp: 1, rounds: 12 });
    await Promise.all(sandboxes.map((sandbox) => sandbox.close()));
    return samples;
  },
};

async function runTrue(
  sandbox: { exec(command: readonly string[]): PromiseLike<Parameters<typeof expectSuccess>[0]> } | undefined,
): Promise<void> {
  if (sandbox !== undefined) expectSuccess(await sandbox.exec(['true']));
}

async function rate(commandsEach: number, command: (lane: number) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: SANDBOXES }, async (_, lane) => {
      for (let left = commandsEach; left > 0; left -= 1) await command(lane);
    }),
  );
  return (SANDBOXES * commandsEach) / ((performance.now() - startedAt) / 1000);
}
