// Looks for values where they must not be: files, memory of processes, arguments.

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A value, and it in the forms in which it might lie about. */
export function needlesOf(value: string): Buffer[] {
  const bytes = Buffer.from(value);
  return [value, bytes.toString('base64').slice(0, 24), bytes.toString('hex').slice(0, 32)].map((text) => Buffer.from(text));
}

const isIn = (bytes: Buffer, needles: readonly Buffer[]): boolean => needles.some((needle) => bytes.includes(needle));

/** Files below a directory that hold one of them; what is larger than 64 MiB is left out and has to be named in `except`. */
export async function filesWith(directory: string, needles: readonly Buffer[], except: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || except.some((name) => path.startsWith(join(directory, name)))) continue;
    if (isIn(await readFile(path), needles)) found.push(path);
  }
  return found;
}

/** Processes whose environment, arguments or writable memory hold one of them. */
export async function processesHolding(pids: readonly number[], needles: readonly Buffer[]): Promise<number[]> {
  const found: number[] = [];
  for (const pid of pids) {
    const parts = await Promise.all(['environ', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0))));
    if (parts.some((part) => isIn(part, needles)) || (await isInMemory(pid, needles))) found.push(pid);
  }
  return found;
}

/** Command lines of all processes of the host that hold one of them. */
export async function argumentsWith(needles: readonly Buffer[]): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`).catch(() => Buffer.alloc(0))));
  return lines.filter((line) => isIn(line, needles)).map((line) => line.toString('utf8').replaceAll('\0', ' '));
}

async function isInMemory(pid: number, needles: readonly Buffer[]): Promise<boolean> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '');
  const memory = await open(`/proc/${pid}/mem`, 'r').catch(() => null);
  if (memory === null) return false;
  try {
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      const bytes = Buffer.alloc(Math.min(end - start, 16 * 1024 * 1024));
      const read = await memory.read(bytes, 0, bytes.length, start).catch(() => null);
      if (read !== null && isIn(bytes.subarray(0, read.bytesRead), needles)) return true;
    }
    return false;
  } finally {
    await memory.close();
  }
}
