// Sandboxes that come and go: what a daemon still holds of them afterwards.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';

const CYCLES = 200;
const QUICK_CYCLES = 20;
const AT_ONCE = 4;
const SETTLE_MS = 3000;
/** Directories of the state directory in which each sandbox has something. */
const DIRECTORIES = ['sandboxes', 'run', 'spool', 'workspaces', 'pool/ws', 'pool/meta'];

export const cycles: Workload = {
  name: 'left over',
  unit: 'things',
  what: `containers, mounts, files and descriptors that ${CYCLES} sandboxes (${QUICK_CYCLES} in a quick run) left when they were closed`,
  async run(stage, { isQuick }) {
    await cycle(stage, AT_ONCE);
    const before = await holdings(stage);
    await cycle(stage, isQuick ? QUICK_CYCLES : CYCLES);
    await setTimeout(SETTLE_MS);
    const after = await holdings(stage);
    return [{ name: 'cloister', values: [Math.max(0, after - before)] }];
  },
};

async function cycle({ open }: Stage, count: number): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - done) }, async () => {
        const sandbox = await open();
        await sandbox.files.write('a', 'x');
        await sandbox.exec(['true']);
        await sandbox.close();
      }),
    );
}

async function holdings({ daemon, docker }: Stage): Promise<number> {
  const { stateDir, pid } = daemon;
  const names = await Promise.all(DIRECTORIES.map((directory) => readdir(join(stateDir, directory)).catch(() => [])));
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(` ${stateDir}/`));
  const containers = await docker.listContainers({ all: true });
  const descriptors = await readdir(`/proc/${pid}/fd`);
  return names.flat().length + mounts.length + containers.length + descriptors.length;
}
