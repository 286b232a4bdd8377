// Recursive deletion: rm, find and what else takes a tree away. What is deleted decides, not how. Pure.

import { isComputed, shownText, UNKNOWN } from '../shell/markers.ts';
import type { FloorFinding } from './finding.ts';
import { type Certainty, isProtected } from './protected-paths.ts';

const RESTRICTING =
  /^-(i?name|i?path|i?wholename|i?regex|i?lname|newer.*|[acm]time|[acm]min|size|empty|user|group|uid|gid|perm|inum|links|samefile|used|fstype)$/;
const FOLLOWING = /^-([HLP]|O\d*|D)$/;

export function deletionOf(program: string, args: readonly string[], cwd: string | null): FloorFinding | null {
  switch (program) {
    case 'rm':
    case 'srm':
    case 'grm':
      return ofRm(args, cwd);
    case 'find':
    case 'gfind':
      return ofFind(args, cwd);
    case 'rsync':
      return args.some((arg) => arg.startsWith('--del')) ? worst('rsync --delete', args.filter(isOperand).slice(-1), cwd) : null;
    case 'mv':
      return worst('mv', args.filter(isOperand).slice(0, -1).filter(isLarge), cwd, false);
    default:
      return null;
  }
}

const isOperand = (arg: string): boolean => !arg.startsWith('-') || arg === '-';
/** Moving what is in the workspace is work; moving a system directory or the root is not. */
const isLarge = (arg: string): boolean => arg.startsWith('/');

function ofRm(args: readonly string[], cwd: string | null): FloorFinding | null {
  const targets: string[] = [];
  let isRecursive = false;
  let mayBeRecursive = false;
  let isEnded = false;
  for (const arg of args) {
    if (isEnded || isOperand(arg)) {
      targets.push(arg);
      // Unquoted, it may be an option as well.
      if (!isEnded && arg.startsWith(UNKNOWN)) mayBeRecursive = true;
    } else if (arg === '--') isEnded = true;
    else if (arg.startsWith('--')) isRecursive ||= '--recursive'.startsWith(arg) && arg.length > 2;
    else if (isComputed(arg)) mayBeRecursive = true;
    else isRecursive ||= /[rR]/.test(arg);
  }
  if (isRecursive) return worst('rm -r', targets, cwd);
  if (!mayBeRecursive) return null;
  const certain = worst(
    'rm',
    targets.filter((target) => !isComputed(target)),
    cwd,
  );
  return certain === null ? null : { ...certain, verdict: 'unclear' };
}

/** The paths a find starts at, and whether a test keeps it from taking everything below them. */
export function searchOf(args: readonly string[]): { readonly starts: readonly string[]; readonly isRestricted: boolean } {
  const first = args.findIndex((arg, at) => isExpression(arg) && !FOLLOWING.test(arg) && args[at - 1] !== '-D');
  const starts = args.slice(0, first === -1 ? args.length : first).filter((arg) => !FOLLOWING.test(arg));
  const tests = first === -1 ? [] : args.slice(first);
  const isRestricted =
    !tests.some((test) => test === '-o' || test === '-or' || test === ',') &&
    tests.some(
      (test, at) =>
        RESTRICTING.test(test) && tests[at - 1] !== '!' && tests[at - 1] !== '-not' && !/^[*?./\uE001\uE002]+$/.test(tests[at + 1] ?? ''),
    );
  return { starts: starts.length === 0 ? ['.'] : starts, isRestricted };
}

const isExpression = (arg: string): boolean => /^(-.+|[(!,])$/.test(arg);

function ofFind(args: readonly string[], cwd: string | null): FloorFinding | null {
  const deletes = args.some(
    (arg, at) =>
      arg === '-delete' || (/^-(exec|execdir|ok|okdir)$/.test(arg) && /(^|\/)(rm|srm|grm|shred|unlink|rmdir)$/.test(args[at + 1] ?? '')),
  );
  if (!deletes) return null;
  const { starts, isRestricted } = searchOf(args);
  return isRestricted ? null : worst('find', starts, cwd);
}

function worst(how: string, targets: readonly string[], cwd: string | null, withUnclear = true): FloorFinding | null {
  let unclear: FloorFinding | null = null;
  for (const target of targets) {
    const certainty: Certainty = isProtected(target, cwd);
    const what = `${how} of ${shownText(target)}`;
    if (certainty === 'yes') return { verdict: 'hit', class: 'recursiveDelete', what };
    if (certainty === 'maybe' && withUnclear) unclear ??= { verdict: 'unclear', class: 'recursiveDelete', what };
  }
  return unclear;
}
