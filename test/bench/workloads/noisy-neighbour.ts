// A tenant that takes all it can of one thing, and what `true` costs another one meanwhile, against the same without it.
// A command of the neighbour's that fails ends the measurement.

import { performance } from 'node:perf_hooks';
import type { Execution, Sandbox } from 'cloister';
import { ATTACK_COMMAND, ATTACK_FILE, ATTACKER_LIMITS, RESOURCE_ATTACKS } from '../../support/resource-attacks.ts';
import { median } from '../harness/statistics.ts';
import type { Workload } from '../harness/workload.ts';
import { expectSuccess } from './exec-true.ts';

const ROUNDS = 5;
const COMMANDS = 40;

/** One workload per attack: the ratio of medians, turn by turn, so that a slow machine is slow in both. */
export function noisyNeighbours(): readonly Workload[] {
  return Object.entries(RESOURCE_ATTACKS).map(([attack, program]) => ({
    name: `neighbour of ${attack}`,
    unit: 'ratio',
    what: `median of ${COMMANDS} commands beside ${attack} of another tenant over that without it, of ${ROUNDS} turns`,
    async run({ open }, { isQuick }) {
      const [attacker, neighbour] = [await open({ limits: ATTACKER_LIMITS }), await open()];
      await attacker.files.write(ATTACK_FILE, program);
      const values: number[] = [];
      await commands(neighbour);
      for (let round = isQuick ? ROUNDS - 2 : 0; round < ROUNDS; round += 1) {
        const quiet = await commands(neighbour);
        const { attack: running } = await started(attacker);
        const beside = await commands(neighbour);
        await running.kill('SIGKILL');
        await running;
        values.push(beside / quiet);
      }
      await Promise.all([attacker.close(), neighbour.close()]);
      return [{ name: 'cloister', values }];
    },
  }));
}

/** In an object, because what is awaited of an execution is its end. */
async function started(attacker: Sandbox): Promise<{ readonly attack: Execution }> {
  const attack = attacker.exec(ATTACK_COMMAND, { background: true });
  for await (const chunk of attack) if (chunk.text.includes('up')) break;
  return { attack };
}

/** Median milliseconds of one. */
async function commands(sandbox: Sandbox): Promise<number> {
  const times: number[] = [];
  for (let left = COMMANDS; left > 0; left -= 1) {
    const startedAt = performance.now();
    expectSuccess(await sandbox.exec(['true']));
    times.push(performance.now() - startedAt);
  }
  return median(times);
}
