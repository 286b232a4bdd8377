// What the shell's own commands change for those that follow: directory and variables.

import { isComputed, STAR, UNKNOWN } from './markers.ts';
import { resolve } from '../floor/protected-paths.ts';
import type { Scope } from './scope.ts';
import { HOME } from './variables.ts';

const DECLARES = /^(export|declare|typeset|local|readonly)$/;

/** Characters of a directory that is kept track of; a longer one is not known. */
const MAX_DIRECTORY = 1024;

/** `input`: what `read` would get; null: anything. */
export function applyBuiltin(words: readonly string[], scope: Scope, input: () => readonly string[] | null): void {
  const [name = '', ...args] = words;
  const { variables, isSure } = scope;
  if (name === 'cd' || name === 'pushd' || name === 'popd') scope.cwd = changed(name, args, scope);
  else if (DECLARES.test(name)) {
    for (const arg of args) {
      const at = arg.indexOf('=');
      if (at > 0) variables.set(arg.slice(0, at).replace(/\+$/, ''), [arg[at - 1] === '+' ? UNKNOWN : arg.slice(at + 1)], isSure);
    }
  } else if (name === 'read' || name === 'mapfile' || name === 'readarray' || name === 'getopts' || name === 'unset' || name === 'let') {
    const lines = name === 'read' ? (input() ?? []) : [];
    const value = lines.length > 0 ? (lines.find((line) => line === '/' || line.includes(STAR)) ?? lines[0] ?? '') : UNKNOWN;
    for (const arg of args) if (/^[A-Za-z_]\w*$/.test(arg)) variables.set(arg, [name === 'unset' ? '' : value], true);
    if (name === 'read') variables.set('REPLY', [value], true);
  } else if (name === 'printf' && args[0] === '-v') variables.set(args[1] ?? '', [UNKNOWN], true);
}

function changed(name: string, args: readonly string[], { cwd }: Scope): string | null {
  const target = args.find((arg) => !/^-[LPe@]+$/.test(arg) && arg !== '--');
  if (name !== 'cd' && (target === undefined || /^[+-]\d/.test(target) || name === 'popd')) return null;
  const path = target ?? HOME;
  // Where it is not known, what is deleted is judged by its name alone.
  if (path === '-' || isComputed(path) || (cwd === null && !path.startsWith('/'))) return null;
  const from = path.startsWith('/') ? [] : (cwd ?? '').split('/').filter((part) => part !== '');
  const directory = `/${resolve(path.split('/'), from).join('/')}`;
  return directory.length > MAX_DIRECTORY ? null : directory;
}
