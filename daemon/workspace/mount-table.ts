// The kernel's table of mounts, parsed. Owns /proc/self/mountinfo; changes nothing.

import { readFile } from 'node:fs/promises';

const MOUNTINFO = '/proc/self/mountinfo';

export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** major:minor of the file system. */
  readonly device: string;
  /** Path inside the file system that is shown here. */
  readonly root: string;
  readonly target: string;
  /** Per-mount flags: rw or ro, nosuid, nodev, noexec, noatime ... */
  readonly flags: readonly string[];
  readonly isShared: boolean;
  readonly fsType: string;
  readonly source: string;
  /** Options of the file system itself. */
  readonly superOptions: readonly string[];
}

/** All mounts of the daemon's mount namespace, in the kernel's order. */
export async function readMountTable(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile(MOUNTINFO, 'utf8'));
}

export function parseMountInfo(text: string): MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const entry = parseLine(line);
    return entry === undefined ? [] : [entry];
  });
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parentId, device, root, target, flags] = fields;
  const [fsType, source, superOptions] = separator < 0 ? [] : fields.slice(separator + 1);
  if (device === undefined || root === undefined || target === undefined || flags === undefined || fsType === undefined) return undefined;
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    flags: flags.split(','),
    isShared: fields.slice(6, separator).some((field) => field.startsWith('shared:')),
    fsType,
    source: unescapeOctal(source ?? ''),
    superOptions: (superOptions ?? '').split(','),
  };
}

/** The kernel writes space, tab, newline and backslash in paths as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that a process sees at `path`: the topmost one if several are stacked there. */
export function topMountAt(table: readonly MountEntry[], path: string): MountEntry | undefined {
  const here = table.filter((entry) => entry.target === path);
  const covered = new Set(here.map((entry) => entry.parentId));
  return here.findLast((entry) => !covered.has(entry.id)) ?? here.at(-1);
}

/** Mounts at `prefix` and below it, children after their parents. */
export function mountsUnder(table: readonly MountEntry[], prefix: string): MountEntry[] {
  return table.filter((entry) => entry.target === prefix || entry.target.startsWith(`${prefix}/`));
}

/** The mount on which a file at `path` lies. */
export function containingMount(table: readonly MountEntry[], path: string): MountEntry | undefined {
  let directory = path;
  for (;;) {
    const entry = topMountAt(table, directory);
    if (entry !== undefined || directory === '/') return entry;
    directory = directory.slice(0, directory.lastIndexOf('/')) || '/';
  }
}
