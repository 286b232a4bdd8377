// The hard floor: commands that nobody takes back, whatever the rules say. One simple command in, its finding out. Pure.
// A guard against accidents and against a model's mistakes; what confines a sandbox is the kernel.

import { isComputed, shownText } from '../shell/markers.ts';
import { deletionOf } from './deletion.ts';
import { isDisk, isPowerTrigger } from './devices.ts';
import type { FloorClass, FloorFinding } from './finding.ts';

const POWER: ReadonlySet<string> = new Set(['shutdown', 'reboot', 'halt', 'poweroff', 'kexec']);
const POWER_VERB = /^(poweroff|reboot|halt|kexec|soft-reboot|suspend|hibernate|hybrid-sleep|rescue|emergency|exit)$/;
const MAKES_FILESYSTEM = /^(mkfs|mkfs\..+|mke2fs|mkdosfs|mkntfs|mkreiserfs|newfs|newfs_.+|mkswap)$/;
const WRITES_DEVICE: ReadonlySet<string> = new Set(
  'tee cp mv install shred wipefs blkdiscard badblocks sfdisk sgdisk gdisk cfdisk fdisk parted hdparm nwipe scrub truncate fallocate pvcreate cryptsetup sponge ddrescue'.split(
    ' ',
  ),
);
const ASKS_FOR_HELP = /^(--help|--version|-V|-h)$/;

const hit = (kind: FloorClass, what: string): FloorFinding => ({ verdict: 'hit', class: kind, what: shownText(what) });

/** `words`: the program and its arguments, markers included. */
export function floorOf(words: readonly string[], cwd: string | null): FloorFinding | null {
  const [first = '', ...args] = words;
  const program = nameOf(first);
  const deletion = deletionOf(program, args, cwd);
  if (deletion !== null) return deletion;
  if (POWER.has(program))
    return args.length > 0 && args.every((arg) => /^(--help|--version|-c)$/.test(arg)) ? null : hit('shutdown', program);
  if (MAKES_FILESYSTEM.test(program))
    return args.length > 0 && args.every((arg) => ASKS_FOR_HELP.test(arg)) ? null : hit('makeFilesystem', program);
  if (WRITES_DEVICE.has(program)) return ofDevices(program, args, cwd);
  switch (program) {
    case 'systemctl':
    case 'loginctl':
      return args.some((arg) => POWER_VERB.test(arg)) ? hit('shutdown', words.join(' ')) : null;
    case 'init':
    case 'telinit':
      return /^[06]$/.test(args[0] ?? '') ? hit('shutdown', words.join(' ')) : null;
    case 'kill':
      return ofKill(args);
    case 'killall5':
      return hit('killAll', program);
    case 'dd':
    case 'dcfldd':
      return ofDevices(
        program,
        args.filter((arg) => arg.startsWith('of=')).map((arg) => arg.slice(3)),
        cwd,
      );
    case 'perl':
    case 'python':
    case 'python2':
    case 'python3':
    case 'ruby':
      return ofInterpreter(program, args);
    default:
      return null;
  }
}

/** A file that the shell opens for writing. */
export function floorOfTarget(target: string, cwd: string | null): FloorFinding | null {
  if (isPowerTrigger(target)) return hit('shutdown', `writing ${target}`);
  return ofDevices('writing', [target], cwd);
}

export const nameOf = (word: string): string => word.slice(word.lastIndexOf('/') + 1);

/** A program that is not known until it runs: what would the worst of programs do with these arguments? */
export function floorOfUnknown(words: readonly string[], cwd: string | null): FloorFinding | null {
  const args = words.slice(1);
  if (args.length === 0) return { verdict: 'unclear', class: 'computed', what: 'the whole command is computed when it runs' };
  const asIf = [
    isLikeRm(args) ? deletionOf('rm', args, cwd) : null,
    args.some((arg) => arg.startsWith('of=')) ? floorOf(['dd', ...args], cwd) : null,
    args.some((arg) => isDisk(arg, cwd) === 'yes') ? hit('rawDiskWrite', args.join(' ')) : null,
    args.length > 1 && args.at(-1) === '-1' && args.every((arg) => arg.startsWith('-')) ? hit('killAll', args.join(' ')) : null,
    // What precedes a command is often a variable that holds sudo, or nothing.
    ...args.slice(0, 8).map((arg, at) => (isComputed(arg) ? null : floorOf(args.slice(at), cwd))),
  ].find((finding) => finding !== null);
  return asIf === undefined ? null : { ...asIf, verdict: 'unclear' };
}

/** Nothing but options of rm, and something that no work is done on. */
const isLikeRm = (args: readonly string[]): boolean =>
  args.every((arg) => !arg.startsWith('-') || /^(-[dfiIrRv]+|--|--recursive|--force|--no-preserve-root)$/.test(arg)) &&
  args.some((arg) => arg.startsWith('/') || isComputed(arg));

function ofDevices(how: string, targets: readonly string[], cwd: string | null): FloorFinding | null {
  let unclear: FloorFinding | null = null;
  for (const target of targets) {
    if (isPowerTrigger(target)) return hit('shutdown', `${how} ${target}`);
    const certainty = isDisk(target, cwd);
    if (certainty === 'yes') return hit('rawDiskWrite', `${how} ${target}`);
    if (certainty === 'maybe') unclear ??= { verdict: 'unclear', class: 'rawDiskWrite', what: shownText(`${how} ${target}`) };
  }
  return unclear;
}

/** `-1` is a signal where it comes first and a process follows, and everybody where a process is named. */
function ofKill(args: readonly string[]): FloorFinding | null {
  const everyone = hit('killAll', `kill ${args.join(' ')}`);
  const [first = '', ...rest] = args;
  if (/^-[lL]$|^--(list|table|help|version)$/.test(first)) return null;
  if (first === '-1' && rest.length === 0) return everyone;
  let operands = args;
  if (/^-[sn]$|^--signal$/.test(first)) operands = args.slice(2);
  else if (first !== '--' && first.startsWith('-')) operands = rest;
  return operands.some((pid) => /^-0*1$/.test(pid)) ? everyone : null;
}

/** The one-liners that everybody knows; an interpreter's program is otherwise its own business. */
function ofInterpreter(program: string, args: readonly string[]): FloorFinding | null {
  const at = args.findIndex((arg) => /^-\w*[ceE]$/.test(arg));
  const code = at === -1 ? '' : (args[at + 1] ?? '').slice(0, 4096);
  return /\bfork\b/.test(code) && /\b(while|until|loop|for)\b/.test(code) && !/\b(wait|waitpid|exit|_exit)\b/.test(code)
    ? hit('forkBomb', `${program} that forks in a loop`)
    : null;
}
