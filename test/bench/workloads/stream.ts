// Much output to a reader that keeps up; every reader in a process of its own.

import { z } from 'zod';
import { compare, type Contender } from '../harness/comparison.ts';
import { ownProcess } from '../harness/own-process.ts';
import type { Workload } from '../harness/workload.ts';

const BYTES = 500_000_000;
const QUICK_BYTES = 150_000_000;
const Read = z.object({ bytes: z.number(), ms: z.number() });

export const stream: Workload = {
  name: 'stream',
  unit: 'MB/s',
  what: 'standard output of 500 MB to a process that only counts',
  async run({ packageRoot, scope, daemon, token, sandbox, peerContainer }, { isQuick }) {
    const bytes = isQuick ? QUICK_BYTES : BYTES;
    const reader = async (name: string, ...args: string[]): Promise<Contender> => {
      const ask = await ownProcess(packageRoot, 'peers/stream-reader-program.ts', args, scope);
      return { name, sample: async () => rate(bytes, Read.parse(JSON.parse(await ask(`head -c ${bytes} /dev/zero`)))) };
    };
    const contenders = [
      await reader('cloister', 'cloister', daemon.localUrl, token, sandbox.session),
      await reader('cloister, over TCP', 'cloister', daemon.url, token, sandbox.session),
      await reader('dockerode exec', 'dockerode', daemon.engineSocket, peerContainer),
      await reader('dockerode exec, not demultiplexed', 'dockerode-raw', daemon.engineSocket, peerContainer),
    ];
    return await compare(contenders, isQuick ? { warmUp: 0, rounds: 3 } : { warmUp: 2, rounds: 9 });
  },
};

function rate(expected: number, { bytes, ms }: z.infer<typeof Read>): number {
  if (bytes < expected) throw new Error(`Cannot count the stream: ${bytes} of ${expected} bytes came`);
  return expected / 1e6 / (ms / 1000);
}
