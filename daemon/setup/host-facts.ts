// Reads the facts the decisions are made of. Decides nothing.
import { readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { findProgram } from '../container/engine/find-program.ts';
import { type HostFacts, PROGRAMS } from './decisions.ts';

export async function readHostFacts(host: Pick<HostFacts, 'platform' | 'arch' | 'isRoot'>): Promise<HostFacts> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const present = await Promise.all(PROGRAMS.map(async (program) => ((await findProgram(program)) === null ? [] : [program])));
  return { ...host, distributions: distributionsOf(release), programs: new Set(present.flat()) };
}

export function distributionsOf(osRelease: string): readonly string[] {
  return ['ID', 'ID_LIKE'].flatMap((key) => {
    const value = new RegExp(`^${key}=(.*)$`, 'm').exec(osRelease)?.[1] ?? '';
    return value
      .replaceAll(/["']/g, '')
      .split(/\s+/)
      .filter((word) => word !== '');
  });
}

/** Bytes free for this user where the directory is or will be. */
export async function freeBytes(directory: string): Promise<number> {
  let place = path.resolve(directory);
  for (;;) {
    const space = await statfs(place).catch(() => null);
    if (space !== null) return space.bavail * space.bsize;
    if (place === path.dirname(place)) return 0;
    place = path.dirname(place);
  }
}
