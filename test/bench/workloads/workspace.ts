// Workspaces as a whole: a snapshot and a fork of a big one, what a checkpoint adds to a command, and a tree of many files.

import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Sandbox } from 'cloister';
import { type Contender, compare } from '../harness/comparison.ts';
import type { Stage } from '../harness/stage.ts';
import type { Workload } from '../harness/workload.ts';

const BIG_MIB = 1024;
const QUICK_BIG_MIB = 128;
const AT_ONCE = 12;

export const workspaceSnapshot: Workload = {
  name: 'workspace snapshot',
  unit: 'ms',
  what: 'a snapshot of a workspace of 1 GiB (128 MiB in a quick run); a copy of its files on the host',
  async run(stage, { isQuick }) {
    const { sandbox, copying } = await big(stage, isQuick);
    const ours = {
      name: 'cloister',
      sample: async () => void (await sandbox.workspace.snapshot('bench')),
      settle: () => sandbox.workspace.deleteSnapshot('bench'),
    };
    return await compare([ours, copying], { warmUp: 1, rounds: isQuick ? 5 : 15 });
  },
};

export const workspaceFork: Workload = {
  name: 'workspace fork',
  unit: 'ms',
  what: 'a workspace of 1 GiB (128 MiB in a quick run) for another session; a copy of its files on the host',
  async run(stage, { isQuick }) {
    const { sandbox, copying } = await big(stage, isQuick);
    let forks = 0;
    const ours = {
      name: 'cloister',
      sample: async () => {
        forks += 1;
        await sandbox.workspace.fork({ session: `fork-${forks}` });
      },
      settle: async () => {
        const fork = await stage.client.open({ session: `fork-${forks}`, limits: sandbox.limits });
        await fork.close({ workspace: 'delete' });
      },
    };
    return await compare([ours, copying], { warmUp: 1, rounds: isQuick ? 3 : 8 });
  },
};

export const checkpointedExec: Workload = {
  name: 'checkpointed exec',
  unit: 'ms',
  what: '`touch` of a file among 1,000, with what it changed; the same without a checkpoint',
  async run({ open }, { isQuick }) {
    const sandbox = await open();
    await sandbox.exec('mkdir files && cd files && seq 1000 | xargs touch');
    const contenders = [
      { name: 'cloister', sample: async () => void (await sandbox.exec(['touch', 'files/7'], { checkpoint: true })) },
      { name: 'without a checkpoint', sample: async () => void (await sandbox.exec(['touch', 'files/7'])) },
    ];
    const samples = await compare(contenders, isQuick ? { warmUp: 1, rounds: 8 } : { warmUp: 2, rounds: 30 });
    await sandbox.close({ workspace: 'delete' });
    return samples;
  },
};

export const treeUpload: Workload = {
  name: 'tree upload',
  unit: 'ms',
  what: 'a package of over 1,000 files into a workspace; the same file by file, 12 at once; a copy on the host',
  async run({ open, packageRoot, directory }, { isQuick }) {
    const source = join(packageRoot, 'node_modules', 'knip');
    const sandbox = await open();
    const entries = await readdir(source, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const byFile = async (): Promise<void> => {
      const coming = files.values();
      const next = async (): Promise<void> => {
        for (const file of coming) await sandbox.files.write(join('single', relative(source, file)), await readFile(file));
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
    };
    const contenders: Contender[] = [
      { name: 'cloister', sample: async () => void (await sandbox.files.upload(source, 'tree')), settle: () => removed(sandbox, 'tree') },
      { name: 'file by file', sample: byFile, settle: () => removed(sandbox, 'single') },
      { name: 'host copy', ...copyOf(source, join(directory, 'tree')) },
    ];
    const samples = await compare(contenders, isQuick ? { warmUp: 1, rounds: 3 } : { warmUp: 1, rounds: 10 });
    await sandbox.close({ workspace: 'delete' });
    return samples;
  },
};

const removed = async (sandbox: Sandbox, path: string): Promise<void> => void (await sandbox.files.remove(path, { recursive: true }));

const copyOf = (from: string, to: string): Pick<Contender, 'sample' | 'settle'> => ({
  sample: () => cp(from, to, { recursive: true }),
  settle: () => rm(to, { recursive: true, force: true }),
});

async function big({ open, directory }: Stage, isQuick: boolean): Promise<{ sandbox: Sandbox; copying: Contender }> {
  const sizeMib = isQuick ? QUICK_BIG_MIB : BIG_MIB;
  const sandbox = await open({ limits: { diskBytes: (sizeMib + 256) * 1024 * 1024 } });
  const fill = `for n in $(seq 64); do head -c ${sizeMib * 16 * 1024} /dev/urandom > big$n; done; sync .`;
  const { exitCode, stderr } = await sandbox.exec(fill);
  if (exitCode !== 0) throw new Error(`Cannot fill the workspace: ${stderr}`);
  const from = join(directory, 'big');
  await rm(from, { recursive: true, force: true });
  await mkdir(from);
  for (let number = 1; number <= 64; number += 1) await writeFile(join(from, String(number)), randomBytes(sizeMib * 16 * 1024));
  return { sandbox, copying: { name: 'host copy', ...copyOf(from, join(directory, 'big-copy')) } };
}
