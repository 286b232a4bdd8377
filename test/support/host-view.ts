// What the host sees of a sandbox and of a daemon: processes, mounts, loop devices. Reads /proc and /sys; changes nothing.

import { readdir, readFile, readlink } from 'node:fs/promises';
import type { ContainerDriver } from '../../daemon/container/driver.ts';

export interface HostProcess {
  readonly pid: number;
  /** Arguments, joined by spaces; empty for a zombie. */
  readonly command: string;
  /** Of /proc/PID/stat: R, S, D, T, Z ... */
  readonly state: string;
}

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

/** Every process in the pid namespace of a sandbox, its init included. */
export async function processesOf(driver: ContainerDriver, sandboxId: string): Promise<HostProcess[]> {
  const { State } = await driver.inspect(`cloister-${sandboxId}`);
  const namespace = await readlink(`/proc/${State.Pid}/ns/pid`);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => {
      const own = await readlink(`/proc/${pid}/ns/pid`).catch(() => '');
      if (own !== namespace) return null;
      const stat = await read(`/proc/${pid}/stat`);
      return {
        pid: Number(pid),
        command: (await read(`/proc/${pid}/cmdline`)).split('\0').join(' ').trim(),
        state: stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '',
      };
    }),
  );
  return all.filter((one) => one !== null);
}

/** Processes of a sandbox whose command line contains the text. */
export async function processesWith(driver: ContainerDriver, sandboxId: string, text: string): Promise<HostProcess[]> {
  return (await processesOf(driver, sandboxId)).filter(({ command }) => command.includes(text));
}

export async function mountsUnder(directory: string): Promise<string[]> {
  const targets = (await read('/proc/self/mountinfo')).split('\n').map((line) => line.split(' ')[4] ?? '');
  return targets.filter((target) => target.startsWith(`${directory}/`));
}

/** Loop devices whose file lies under the directory. */
export async function loopDevicesUnder(directory: string): Promise<string[]> {
  const devices = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  const files = await Promise.all(devices.map((name) => read(`/sys/block/${name}/loop/backing_file`)));
  return files.filter((file) => file.startsWith(`${directory}/`));
}

/** Processes with the text in their command line, this one excepted. */
export async function processesNaming(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const commands = await Promise.all(pids.map(async (pid) => (await read(`/proc/${pid}/cmdline`)).split('\0').join(' ').trim()));
  return commands.filter((command) => command.includes(text));
}

export const openDescriptors = async (pid: number): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

/** Resident memory of a process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(await read(`/proc/${pid}/status`));
  if (line === null) throw new Error(`process ${pid} has no resident memory`);
  return Number(line[1]) * 1024;
}
