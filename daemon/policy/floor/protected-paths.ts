// Which paths must not be deleted with all that is in them: /, system directories, home and the workspace's root. Pure.
// A path may contain markers: globs are matched against what is protected, an unknown part may be empty.

import { ANY, hasGlob, isComputed, PIPE_PATH, STAR, UNKNOWN } from '../shell/markers.ts';
import { HOME } from '../shell/variables.ts';

export type Certainty = 'yes' | 'maybe' | 'no';

export const WORKSPACE = '/workspace';
const TOP = 'bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys usr var'.split(' ');
const SECOND = 'usr/bin usr/sbin usr/lib usr/lib32 usr/lib64 usr/libexec usr/local usr/share usr/include var/lib'.split(' ');
const NAMES = [...TOP, ...SECOND, WORKSPACE.slice(1), HOME.slice(1)];
const PROTECTED: readonly (readonly string[])[] = NAMES.map((path) => path.split('/'));
const BY_NAME: ReadonlySet<string> = new Set(NAMES);
const EVERYTHING = new RegExp(`^[${STAR}${ANY}.]*${STAR}[${STAR}${ANY}.]*$`);
const HIDDEN = new RegExp(`^\\.[${STAR}${ANY}]*$`);

/** Would deleting `target`, seen from `cwd` (null: unknown), delete something protected? */
export function isProtected(target: string, cwd: string | null): Certainty {
  if (isComputed(target)) {
    const settled = target.replaceAll(UNKNOWN, '').replaceAll(PIPE_PATH, '');
    return settled === '' || isProtected(settled, cwd) !== 'no' ? 'maybe' : 'no';
  }
  if (target === '') return 'no';
  if (target.startsWith('/')) return holds(resolve(target.split('/'), []));
  if (cwd === null) {
    const [first, ...rest] = resolve(target.split('/'), ['.']);
    return first === undefined || (first === '.' && (rest.length === 0 || (rest.length === 1 && isEverything(rest[0] ?? ''))))
      ? 'maybe'
      : 'no';
  }
  return holds(
    resolve(
      target.split('/'),
      cwd.split('/').filter((part) => part !== ''),
    ),
  );
}

/** Components without `.`, `..` and the ways that /proc has back to the root. */
export function resolve(parts: readonly string[], from: readonly string[]): string[] {
  let path = [...from];
  for (const part of parts) {
    if (part === '' || part === '.') continue;
    if (part === '..') path.pop();
    else path.push(part);
    if (path.length === 3 && path[0] === 'proc' && path[2] === 'root') path = [];
  }
  return path;
}

function isEverything(part: string): boolean {
  return EVERYTHING.test(part) || (part.length > 1 && HIDDEN.test(part) && hasGlob(part));
}

function holds(path: readonly string[]): Certainty {
  const last = path.at(-1);
  const whole = last !== undefined && isEverything(last) ? path.slice(0, -1) : path;
  if (whole.length === 0) return 'yes';
  return matchesProtected(path) || (whole !== path && matchesProtected(whole)) ? 'yes' : 'no';
}

function matchesProtected(path: readonly string[]): boolean {
  if (path.length > 2) return false;
  if (!path.some(hasGlob)) return BY_NAME.has(path.join('/'));
  return PROTECTED.some((known) => known.length === path.length && known.every((part, at) => matchesName(path[at] ?? '', part)));
}

/** A name with markers against a name; the names compared with are short. */
export function matchesName(pattern: string, name: string): boolean {
  if (!hasGlob(pattern)) return pattern === name;
  // Longer than any name here, and not for its stars.
  if (pattern.length > 64 && pattern.replaceAll(STAR, '').length > 64) return false;
  let [at, in_, star, mark] = [0, 0, -1, 0];
  while (in_ < name.length) {
    if (at < pattern.length && (pattern[at] === ANY || (pattern[at] !== STAR && pattern[at] === name[in_]))) {
      at += 1;
      in_ += 1;
    } else if (pattern[at] === STAR) {
      star = at;
      mark = in_;
      at += 1;
    } else if (star !== -1) {
      at = star + 1;
      mark += 1;
      in_ = mark;
    } else return false;
  }
  while (pattern[at] === STAR) at += 1;
  return at === pattern.length;
}
