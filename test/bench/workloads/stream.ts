// Much output to a reader that keeps up.

import { performance } from 'node:perf_hooks';
import type { Sandbox } from 'cloister';
import { compare } from '../harness/comparison.ts';
import type { Workload } from '../harness/workload.ts';
import { dockerodeExec, dockerodeExecRaw } from '../peers/dockerode-exec.ts';

const BYTES = 500_000_000;
const QUICK_BYTES = 150_000_000;

export const stream: Workload = {
  name: 'stream',
  unit: 'MB/s',
  what: 'standard output of 500 MB to a reader that only counts',
  async run({ sandbox, sandboxOverTcp, docker, peerContainer }, { isQuick }) {
    const bytes = isQuick ? QUICK_BYTES : BYTES;
    const command = ['head', '-c', String(bytes), '/dev/zero'];
    const contenders = [
      { name: 'cloister', sample: () => rate(bytes, () => readAll(sandbox, command)) },
      { name: 'cloister, over TCP', sample: () => rate(bytes, () => readAll(sandboxOverTcp, command)) },
      { name: 'dockerode exec', sample: () => rate(bytes, async () => (await dockerodeExec(docker, peerContainer, command)).stdoutBytes) },
      { name: 'dockerode exec, not demultiplexed', sample: () => rate(bytes, () => dockerodeExecRaw(docker, peerContainer, command)) },
    ];
    return await compare(contenders, isQuick ? { warmUp: 0, rounds: 3 } : { warmUp: 1, rounds: 7 });
  },
};

async function readAll(sandbox: Sandbox, command: readonly string[]): Promise<number> {
  let bytes = 0;
  for await (const chunk of sandbox.exec(command)) bytes += chunk.bytes.byteLength;
  return bytes;
}

async function rate(expected: number, read: () => Promise<number>): Promise<number> {
  const startedAt = performance.now();
  const bytes = await read();
  if (bytes < expected) throw new Error(`Cannot count the stream: ${bytes} of ${expected} bytes came`);
  return expected / 1e6 / ((performance.now() - startedAt) / 1000);
}
