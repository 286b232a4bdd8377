// Files in and out: small ones, where calls count, and a big one, where bytes do.

import { performance } from 'node:perf_hooks';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Contender, compare } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';
import { tarFile } from '../peers/tar-file.ts';

const SMALL_BYTES = 4096;
const BIG_BYTES = 256 * 1024 * 1024;
const QUICK_BIG_BYTES = 32 * 1024 * 1024;

export const fileWriteSmall: Workload = {
  name: 'file write 4 KiB',
  unit: 'ms',
  what: 'one whole file of 4 KiB',
  run: async (stage, { isQuick }) =>
    await compare(writers(stage, 'small', Buffer.alloc(SMALL_BYTES, 1)), isQuick ? { warmUp: 3, rounds: 15 } : { warmUp: 5, rounds: 60 }),
};

export const fileReadSmall: Workload = {
  name: 'file read 4 KiB',
  unit: 'ms',
  what: 'one whole file of 4 KiB',
  async run(stage, { isQuick }) {
    await writeEverywhere(stage, 'small', Buffer.alloc(SMALL_BYTES, 1));
    return await compare(readers(stage, 'small', SMALL_BYTES), isQuick ? { warmUp: 3, rounds: 15 } : { warmUp: 5, rounds: 60 });
  },
};

export const fileWriteBig: Workload = {
  name: 'file write 256 MiB',
  unit: 'MB/s',
  what: 'one whole file of 256 MiB (32 MiB in a quick run)',
  async run(stage, { isQuick }) {
    const content = Buffer.alloc(isQuick ? QUICK_BIG_BYTES : BIG_BYTES, 1);
    return await compare(asRates(writers(stage, 'big', content), content.length), { warmUp: 0, rounds: isQuick ? 2 : 4 });
  },
};

export const fileReadBig: Workload = {
  name: 'file read 256 MiB',
  unit: 'MB/s',
  what: 'one whole file of 256 MiB (32 MiB in a quick run)',
  async run(stage, { isQuick }) {
    const content = Buffer.alloc(isQuick ? QUICK_BIG_BYTES : BIG_BYTES, 1);
    await writeEverywhere(stage, 'big', content);
    return await compare(asRates(readers(stage, 'big', content.length), content.length), { warmUp: 0, rounds: isQuick ? 2 : 4 });
  },
};

function writers(stage: Stage, name: string, content: Buffer): Contender[] {
  const { sandbox, docker, peerContainer, directory } = stage;
  const archive = tarFile(name, content, sandbox.receipt.uid);
  return [
    { name: 'cloister', sample: async () => void (await sandbox.files.write(name, content)) },
    {
      name: 'dockerode putArchive',
      sample: async () => void (await docker.getContainer(peerContainer).putArchive(archive, { path: '/workspace' })),
    },
    { name: 'host write', sample: () => writeFile(join(directory, name), content) },
  ];
}

function readers({ sandbox, docker, peerContainer, directory }: Stage, name: string, expected: number): Contender[] {
  const expectBytes = (bytes: number): void => {
    if (bytes < expected) throw new Error(`Cannot count the file: ${bytes} of ${expected} bytes came`);
  };
  return [
    {
      name: 'cloister',
      sample: async () => {
        let bytes = 0;
        for await (const chunk of sandbox.files.readStream(name)) bytes += chunk.byteLength;
        expectBytes(bytes);
      },
    },
    {
      name: 'dockerode getArchive',
      sample: async () => {
        let bytes = 0;
        for await (const chunk of await docker.getContainer(peerContainer).getArchive({ path: `/workspace/${name}` }))
          bytes += (chunk as Buffer).length;
        expectBytes(bytes);
      },
    },
    { name: 'host read', sample: async () => expectBytes((await readFile(join(directory, name))).length) },
  ];
}

async function writeEverywhere(stage: Stage, name: string, content: Buffer): Promise<void> {
  for (const { sample } of writers(stage, name, content)) await sample();
}

function asRates(contenders: readonly Contender[], bytes: number): Contender[] {
  return contenders.map((contender) => ({
    ...contender,
    sample: async () => {
      const startedAt = performance.now();
      await contender.sample();
      return bytes / 1e6 / ((performance.now() - startedAt) / 1000);
    },
  }));
}
