// Which paths are disks, memory or the kernel's trigger: what is written to them destroys more than a file. Pure.

import { isComputed, UNKNOWN } from '../shell/markers.ts';
import { type Certainty, matchesName, resolve, WORKSPACE } from './protected-paths.ts';

const DISK =
  /^(sd[a-z]+\d*|hd[a-z]+\d*|vd[a-z]+\d*|xvd[a-z]+\d*|nvme\d+(n\d+(p\d+)?)?|mmcblk\d+(p\d+)?|loop\d+(p\d+)?|dm-\d+|md\d+|nbd\d+|zd\d+|sr\d+|ram\d+|mtd(block)?\d+|mem|kmem|port|root|mapper\/.*|disk\/.*|block\/.*)$/;
/** What a glob in /dev is tried against. */
const EXAMPLES = 'sda sda1 sdb sdb1 hda hda1 vda vda1 xvda nvme0n1 nvme0n1p1 mmcblk0 loop0 dm-0 md0 mem kmem port sr0 ram0'.split(' ');

export function isDisk(path: string, cwd: string | null): Certainty {
  // What is below the workspace, as nearly everything is, needs no closer look.
  const isInWorkspace = cwd !== null && (cwd === WORKSPACE || cwd.startsWith(`${WORKSPACE}/`)) && !cwd.includes('..');
  if (isInWorkspace && !path.startsWith('/') && !path.includes('..')) return 'no';
  const parts = resolve(path.split('/'), path.startsWith('/') ? [] : (cwd ?? '?').split('/').filter((part) => part !== ''));
  const [top, ...rest] = parts;
  if (top !== 'dev' || rest.length === 0) return 'no';
  const name = rest.join('/');
  if (isComputed(name)) {
    const known = name.slice(0, name.indexOf(UNKNOWN));
    return EXAMPLES.some((example) => example.startsWith(known)) || DISK.test(known) || /^(mapper|disk|block)\//.test(name)
      ? 'maybe'
      : 'no';
  }
  return DISK.test(name) || EXAMPLES.some((example) => name !== example && matchesName(name, example)) ? 'yes' : 'no';
}

export function isPowerTrigger(path: string): boolean {
  return path.includes('sysrq-trigger') && resolve(path.split('/'), []).join('/') === 'proc/sysrq-trigger';
}
