// Globs as callers write them -> as the file worker matches them: braces written out, each relative to the searched directory. Pure.

import { SandboxError } from '../../client/protocol/errors.ts';
import { pathBytes } from '../link/path-bytes.ts';
import { shown, WORKSPACE_ROOT } from './workspace-path.ts';

const MAX_EXPANDED = 256;
const MAX_GLOB_BYTES = 1000;

export interface GlobOptions {
  /** A pattern without a slash counts in every directory. */
  readonly matchesNames?: boolean;
}

/** The list as LIST and GREP take it. INVALID_REQUEST for a pattern that leads out or is too much. */
export function encodeGlobs(patterns: string | readonly string[] | undefined, options: GlobOptions = {}): Buffer {
  const parts: Buffer[] = [];
  for (const pattern of typeof patterns === 'string' ? [patterns] : (patterns ?? [])) {
    for (const expanded of expandBraces(pattern)) {
      const glob = pathBytes(relative(pattern, expanded, options));
      if (glob.length > MAX_GLOB_BYTES) refuse(pattern, `it takes more than ${MAX_GLOB_BYTES} bytes`);
      const length = Buffer.alloc(2);
      length.writeUInt16LE(glob.length);
      parts.push(length, glob);
    }
    if (parts.length > 2 * MAX_EXPANDED) refuse(pattern, `with its braces written out there are more than ${MAX_EXPANDED} patterns`);
  }
  return Buffer.concat(parts);
}

function relative(pattern: string, expanded: string, { matchesNames = false }: GlobOptions): string {
  const isExcluding = expanded.startsWith('!');
  let glob = expanded.slice(isExcluding ? 1 : 0);
  if (glob.startsWith(`${WORKSPACE_ROOT}/`)) glob = glob.slice(WORKSPACE_ROOT.length + 1);
  while (glob.startsWith('./')) glob = glob.slice(2);
  if (glob.endsWith('/')) glob = glob.slice(0, -1);
  if (glob === '') refuse(pattern, 'it is empty');
  if (glob.startsWith('/') || glob.split('/').includes('..')) {
    throw new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot use glob ${shown(pattern)}: it leads out of the directory that is searched`);
  }
  if (matchesNames && !glob.includes('/')) glob = `**/${glob}`;
  return isExcluding ? `!${glob}` : glob;
}

/** `a{b,c}` is `ab` and `ac`. A brace without its other half, or without a comma, is a character like others. */
export function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const waiting = [pattern];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const braces = firstBraces(next);
    if (braces === null) done.push(next);
    else waiting.push(...braces.options.map((option) => `${braces.before}${option}${braces.after}`));
    if (done.length + waiting.length > MAX_EXPANDED) refuse(pattern, `with its braces written out there are more than ${MAX_EXPANDED}`);
  }
  return done;
}

function firstBraces(text: string): { readonly before: string; readonly options: readonly string[]; readonly after: string } | null {
  for (let start = indexOf(text, '{', 0); start >= 0; start = indexOf(text, '{', start + 1)) {
    const options: string[] = [];
    let depth = 0;
    let from = start + 1;
    for (let at = start; at < text.length; at += 1) {
      const character = text[at];
      if (character === '\\') at += 1;
      else if (character === '{') depth += 1;
      else if (character === ',' && depth === 1) {
        options.push(text.slice(from, at));
        from = at + 1;
      } else if (character === '}' && (depth -= 1) === 0) {
        options.push(text.slice(from, at));
        if (options.length > 1) return { before: text.slice(0, start), options, after: text.slice(at + 1) };
        break;
      }
    }
  }
  return null;
}

/** The next one that no backslash stands before. */
function indexOf(text: string, character: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === character) return at;
  }
  return -1;
}

function refuse(pattern: string, cause: string): never {
  throw new SandboxError('INVALID_REQUEST', `Cannot use glob ${shown(pattern)}: ${cause}`);
}
