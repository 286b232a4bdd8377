// Files in and out: small ones, where calls count, and a big one, where bytes do.

import { performance } from 'node:perf_hooks';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sandbox } from 'cloister';
import { type Contender, compare } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';
import { dockerExecCat, dockerExecTee } from '../peers/docker-exec-file.ts';
import { tarFile } from '../peers/tar-file.ts';

const SMALL_BYTES = 4096;
const MIB = 1024 * 1024;
const BIG_BYTES = 1024 * MIB;
const QUICK_BIG_BYTES = 64 * MIB;
/** A file is replaced when the new one is whole: both are there for a moment. */
const BIG_DISK_BYTES = 4 * BIG_BYTES;
/** Calls of ours per call of a peer that takes a hundred times as long. */
const PER_ROUND = 5;

const SMALL_ROUNDS = { quick: { warmUp: 10, rounds: 20 }, full: { warmUp: 20, rounds: 60 } };
const BIG_ROUNDS = { quick: { warmUp: 0, rounds: 2 }, full: { warmUp: 1, rounds: 4 } };

export const fileWriteSmall: Workload = {
  name: 'file write 4 KiB',
  unit: 'ms',
  what: 'one whole file of 4 KiB, in place when the call is over',
  async run(stage, { isQuick }) {
    const content = Buffer.alloc(SMALL_BYTES, 1);
    const contenders = [...writers(stage, stage.sandbox, 'small', content), execWriter(stage, 'small', content)];
    return await compare(often(contenders), SMALL_ROUNDS[isQuick ? 'quick' : 'full']);
  },
};

export const fileReadSmall: Workload = {
  name: 'file read 4 KiB',
  unit: 'ms',
  what: 'one whole file of 4 KiB',
  async run(stage, { isQuick }) {
    await writeEverywhere(stage, stage.sandbox, 'small', Buffer.alloc(SMALL_BYTES, 1));
    const contenders = [...readers(stage, stage.sandbox, 'small', SMALL_BYTES), execReader(stage, 'small', SMALL_BYTES)];
    return await compare(often(contenders), SMALL_ROUNDS[isQuick ? 'quick' : 'full']);
  },
};

export const fileWriteBig: Workload = {
  name: 'file write 1 GiB',
  unit: 'MB/s',
  what: 'one whole file of 1 GiB (64 MiB in a quick run)',
  run: (stage, { isQuick }) =>
    withBigDisk(stage, async (sandbox) => {
      const content = Buffer.alloc(isQuick ? QUICK_BIG_BYTES : BIG_BYTES, 1);
      const contenders = [
        ...writers(stage, sandbox, 'big', content),
        {
          name: 'cloister, to the disk',
          sample: async () => {
            await sandbox.files.write('big', content);
            await sandbox.exec(['sync', 'big']);
          },
        },
      ];
      return await compare(asRates(contenders, content.length), BIG_ROUNDS[isQuick ? 'quick' : 'full']);
    }),
};

export const fileReadBig: Workload = {
  name: 'file read 1 GiB',
  unit: 'MB/s',
  what: 'one whole file of 1 GiB (64 MiB in a quick run)',
  run: (stage, { isQuick }) =>
    withBigDisk(stage, async (sandbox) => {
      const content = Buffer.alloc(isQuick ? QUICK_BIG_BYTES : BIG_BYTES, 1);
      await writeEverywhere(stage, sandbox, 'big', content);
      return await compare(asRates(readers(stage, sandbox, 'big', content.length), content.length), BIG_ROUNDS[isQuick ? 'quick' : 'full']);
    }),
};

function writers({ docker, peerContainer, directory }: Stage, sandbox: Sandbox, name: string, content: Buffer): Contender[] {
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

function readers({ docker, peerContainer, directory }: Stage, sandbox: Sandbox, name: string, expected: number): Contender[] {
  return [
    {
      name: 'cloister',
      sample: async () => {
        let bytes = 0;
        for await (const chunk of sandbox.files.readStream(name)) bytes += chunk.byteLength;
        expectBytes(bytes, expected);
      },
    },
    {
      name: 'dockerode getArchive',
      sample: async () => {
        let bytes = 0;
        for await (const chunk of await docker.getContainer(peerContainer).getArchive({ path: `/workspace/${name}` }))
          bytes += (chunk as Buffer).length;
        expectBytes(bytes, expected);
      },
    },
    { name: 'host read', sample: async () => expectBytes((await readFile(join(directory, name))).length, expected) },
  ];
}

/** What an agent's tools do without an API for files. */
const execWriter = ({ daemon, peerContainer }: Stage, name: string, content: Buffer): Contender => ({
  name: 'docker exec cat',
  sample: () => dockerExecTee(daemon.engineSocket, peerContainer, `/workspace/${name}`, content),
});

const execReader = ({ daemon, peerContainer }: Stage, name: string, expected: number): Contender => ({
  name: 'docker exec cat',
  sample: async () => expectBytes((await dockerExecCat(daemon.engineSocket, peerContainer, `/workspace/${name}`)).length, expected),
});

function expectBytes(bytes: number, expected: number): void {
  if (bytes < expected) throw new Error(`Cannot count the file: ${bytes} of ${expected} bytes came`);
}

async function writeEverywhere(stage: Stage, sandbox: Sandbox, name: string, content: Buffer): Promise<void> {
  for (const { sample } of writers(stage, sandbox, name, content)) await sample();
}

async function withBigDisk<T>(stage: Stage, run: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = await stage.open({ limits: { diskBytes: BIG_DISK_BYTES } });
  try {
    return await run(sandbox);
  } finally {
    await sandbox.close({ workspace: 'delete' });
  }
}

function often(contenders: readonly Contender[]): Contender[] {
  return contenders.map((contender) => (contender.name === 'cloister' ? { ...contender, perRound: PER_ROUND } : contender));
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
