// What an engine that ended may leave on the host: container processes, mounts, sockets, cgroups. Finds them by the
// engine's own directory and cgroup and removes them. Knows nothing of the Engine API.
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { EngineLayout } from './engine-layout.ts';
import { sendSignal } from './engine-processes.ts';

const run = promisify(execFile);
const CGROUP_ROOT = '/sys/fs/cgroup';
const ROUNDS = 50;
const ROUND_MS = 20;

/** Mount points below a directory, deepest and latest first, out of the text of /proc/self/mountinfo. */
export function mountsBelow(mountinfo: string, directory: string): readonly string[] {
  const points = mountinfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point === directory || point.startsWith(`${directory}/`));
  return points.toReversed().toSorted((a, b) => b.length - a.length);
}

async function engineCgroups(layout: EngineLayout): Promise<readonly string[]> {
  const controllers = await readdir(CGROUP_ROOT).catch(() => []);
  const candidates = ['', ...controllers].map((controller) => path.join(CGROUP_ROOT, controller, layout.cgroupParent));
  const present = await Promise.all(
    candidates.map((candidate) =>
      readdir(candidate).then(
        () => true,
        () => false,
      ),
    ),
  );
  return candidates.filter((_, index) => present[index] === true);
}

// Children before their parent, as rmdir needs them.
async function cgroupTree(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => cgroupTree(path.join(directory, entry.name))),
  );
  return [...below.flat(), directory];
}

/** Kills every process in the engine's cgroups, then removes the cgroups; answers what could not be removed. */
export async function clearCgroups(layout: EngineLayout): Promise<readonly string[]> {
  let left: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    left = (await Promise.all((await engineCgroups(layout)).map(cgroupTree))).flat();
    if (left.length === 0) return [];
    for (const directory of left) {
      const pids = await readFile(path.join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
      for (const pid of pids.split('\n')) if (Number(pid) > 1) sendSignal(Number(pid), 'SIGKILL');
      // A frozen process does not die: thaw what a pause left behind.
      await thaw(directory);
      await rmdir(directory).catch(() => undefined);
    }
    await sleep(ROUND_MS);
  }
  return left;
}

async function thaw(directory: string): Promise<void> {
  await writeFile(path.join(directory, 'freezer.state'), 'THAWED', { flag: 'r+' }).catch(() => undefined);
  await writeFile(path.join(directory, 'cgroup.freeze'), '0', { flag: 'r+' }).catch(() => undefined);
}

/** Unmounts everything below the engine's directory; answers what is still mounted. */
export async function clearMounts(layout: EngineLayout): Promise<readonly string[]> {
  const read = async (): Promise<readonly string[]> => mountsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.directory);
  for (const point of await read()) {
    await run('umount', [point]).catch(() => run('umount', ['-l', point]).catch(() => undefined));
  }
  return read();
}

/** Sockets of the shims, which lie outside the engine's directory. */
export async function shimSockets(layout: EngineLayout): Promise<readonly string[]> {
  const tasks = path.join(layout.execRoot, 'containerd', 'daemon', 'io.containerd.runtime.v2.task', 'moby');
  const ids = await readdir(tasks).catch(() => []);
  const addresses = await Promise.all(ids.map((id) => readFile(path.join(tasks, id, 'address'), 'utf8').catch(() => '')));
  return addresses
    .filter((address) => address.startsWith('unix:///run/containerd/s/'))
    .map((address) => address.trim().slice('unix://'.length));
}

/** Removes sockets, pid files and the exec root. Call only once nothing is mounted below the engine's directory. */
export async function clearFiles(layout: EngineLayout, sockets: readonly string[]): Promise<void> {
  for (const file of [layout.socketPath, layout.pidFile, ...sockets]) await rm(file, { force: true });
  await rm(layout.execRoot, { recursive: true, force: true });
}
