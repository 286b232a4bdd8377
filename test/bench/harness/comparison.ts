// Runs contenders turn by turn, so that a machine that slows down slows all of them. Owns order and warm-up;
// knows nothing of what a contender does.

import { performance } from 'node:perf_hooks';
import { seeded } from './statistics.ts';

export type Unit = 'ms' | 'MB/s' | 'decisions/s' | 'records/s' | 'tunnels' | 'execs/s' | 'MiB' | 'ratio' | 'things' | '%';
export const IS_HIGHER_BETTER: Readonly<Record<Unit, boolean>> = {
  ms: false,
  'MB/s': true,
  'decisions/s': true,
  'records/s': true,
  tunnels: true,
  'execs/s': true,
  MiB: false,
  ratio: false,
  things: false,
  '%': false,
};

export interface Contender {
  readonly name: string;
  /** One sample: the milliseconds it took, or the number it answers. */
  readonly sample: () => Promise<number | void>;
  /** Runs after each sample, not measured. */
  readonly settle?: () => Promise<void>;
  /** Samples per round; below 1 it sits out rounds. */
  readonly perRound?: number;
}

export interface Samples {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Rounds {
  readonly warmUp: number;
  readonly rounds: number;
}

/** The first contender is ours by convention. */
export async function compare(contenders: readonly Contender[], { warmUp, rounds }: Rounds): Promise<Samples[]> {
  const random = seeded(rounds);
  const values = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const contender of shuffled(contenders, random)) {
      for (let left = timesIn(contender, round); left > 0; left -= 1) {
        const value = await measure(contender);
        if (round >= 0) values.get(contender)?.push(value);
      }
    }
  }
  return contenders.map((contender) => ({ name: contender.name, values: values.get(contender) ?? [] }));
}

function timesIn({ perRound = 1 }: Contender, round: number): number {
  return perRound >= 1 ? perRound : round % Math.round(1 / perRound) === 0 ? 1 : 0;
}

async function measure(contender: Contender): Promise<number> {
  const startedAt = performance.now();
  const answered = await contender.sample();
  const elapsedMs = performance.now() - startedAt;
  await contender.settle?.();
  return answered ?? elapsedMs;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
