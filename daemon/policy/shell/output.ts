// What a command certainly prints, where its words alone say so: echo, printf, cat with a here-document, pwd and the like. Pure.

import { searchOf } from '../floor/deletion.ts';
import { nameOf } from '../floor/floor.ts';
import { isProtected } from '../floor/protected-paths.ts';
import { hasGlob, isComputed, STAR, UNKNOWN } from './markers.ts';
import type { Stdin } from './scope.ts';

const PASSES_LINES = /^(sort|uniq|head|tail|tac|shuf|tee|cat|rev|nl)$/;

/** null: not known before it runs. `input`: its standard input, if that is known. */
export function outputOf(words: readonly string[], input: string | null, cwd: string | null): string | null {
  const [first = '', ...args] = words;
  if (isComputed(first)) return null;
  switch (nameOf(first)) {
    case 'echo':
      return echo(args);
    case 'printf':
      return printf(args);
    case 'cat':
    case 'tee':
      return args.every((arg) => arg.startsWith('-')) || nameOf(first) === 'tee' ? input : null;
    case 'pwd':
      return cwd;
    case 'true':
    case ':':
      return '';
    case 'mktemp':
      return '/tmp/tmp.0000000000';
    case 'nproc':
    case 'date':
    case 'id':
    case 'whoami':
    case 'uname':
    case 'arch':
    case 'wc':
      return '0';
    case 'which':
      return args.at(-1) ?? null;
    case 'command':
    case 'type':
      return /^-[vVpP]+$/.test(args[0] ?? '') ? (args[1] ?? null) : null;
    default:
      return null;
  }
}

function echo(args: readonly string[]): string | null {
  let at = 0;
  let isEscaped = false;
  for (; at < args.length && /^-[neE]+$/.test(args[at] ?? ''); at += 1) isEscaped ||= args[at]?.includes('e') === true;
  const text = args.slice(at).join(' ');
  return isEscaped ? unescaped(text) : text;
}

/** Formats of %s alone, and text without any. */
function printf([format = '', ...args]: readonly string[]): string | null {
  if (format === '-v' || isComputed(format) || args.some(hasGlob)) return null;
  const text = unescaped(format);
  if (text === null) return null;
  const places = text.match(/%./g) ?? [];
  if (places.some((place) => place !== '%s' && place !== '%%' && place !== '%b')) return null;
  if (args.length > Math.max(places.length, 1) * 64) return null;
  let printed = '';
  const left = [...args];
  do {
    printed += text.replaceAll(/%./g, (place) => (place === '%%' ? '%' : (left.shift() ?? '')));
  } while (places.length > 0 && left.length > 0);
  return printed;
}

function unescaped(text: string): string | null {
  if (!text.includes('\\')) return text;
  return text.replaceAll(/\\(0[0-7]{1,3}|[0-7]{1,3}|x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|.)/gs, (_whole, code: string) => {
    if (/^[0-7]+$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    if (/^[xu]./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { n: '\n', t: '\t', r: '\r', '\\': '\\' }[code] ?? `\\${code}`;
  });
}

/** What a command lists, one a line, so far as it matters which trees it may name; null: anything. */
function listedBy(words: readonly string[], cwd: string | null): readonly string[] | null {
  const [first = '', ...args] = words;
  if (isComputed(first)) return null;
  const operands = args.filter((arg) => !arg.startsWith('-'));
  switch (nameOf(first)) {
    case 'find': {
      const { starts, isRestricted } = searchOf(args);
      return starts.map((start) => (isRestricted || isProtected(start, cwd) === 'no' ? `${start}/found` : start));
    }
    case 'ls':
      return (operands.length === 0 ? ['.'] : operands).map((path) => `${path}/${STAR}`);
    case 'fd':
    case 'fdfind':
    case 'rg':
    case 'grep':
    case 'egrep':
    case 'fgrep':
    case 'locate':
      return args.length === 0 ? null : ['found/file'];
    case 'git':
      return ['ls-files', 'diff', 'status', 'grep', 'branch', 'tag'].includes(operands[0] ?? '') ? ['found/file'] : null;
    case 'docker':
    case 'ps':
    case 'pgrep':
    case 'pidof':
    case 'lsof':
    case 'seq':
      return ['0'];
    default:
      return null;
  }
}

/** Pieces of a text as a program that reads items would see them. */
const itemsOf = (text: string): readonly string[] =>
  text.includes(UNKNOWN) ? [UNKNOWN] : text.split(/[\s\0]+/).filter((item) => item !== '');

/** What `read` and xargs get from standard input, as items; null: anything. */
export function itemsIn(stdin: Stdin): readonly string[] | null {
  if (stdin.kind === 'items') return stdin.items;
  return stdin.kind === 'text' ? itemsOf(stdin.text) : stdin.kind === 'none' ? [] : null;
}

/** What a command passes on to the next one of its pipeline. */
export function stdoutOf(words: readonly string[], stdin: Stdin, cwd: string | null): Stdin {
  const text = outputOf(words, stdin.kind === 'text' ? stdin.text : null, cwd);
  if (text !== null) return { kind: 'text', text };
  if (stdin.kind === 'items' && PASSES_LINES.test(words[0] ?? '')) return stdin;
  const items = listedBy(words, cwd);
  return items === null ? { kind: 'unknown' } : { kind: 'items', items };
}
