// A shell's own command line: does it run a text, a file, or what it reads? Pure.

import { PIPE_PATH } from './markers.ts';

const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'ksh93', 'mksh', 'rbash', 'yash', 'posh', 'fish']);

export const isStdin = (path: string): boolean => /^\/dev\/(stdin|fd\/0)$|^\/proc\/self\/fd\/0$/.test(path);

/** What another command, or a redirection, hands over. */
export const isPassed = (path: string): boolean => path.includes(PIPE_PATH) || /^\/(dev|proc\/[^/]+)\/fd\//.test(path);

export const isShell = (program: string): boolean => SHELLS.has(program);

export type ShellInput =
  /** `-c`: the text, then `$0`, `$1` and so on. */
  | { readonly kind: 'text'; readonly text: string; readonly positional: readonly string[] }
  /** What comes on standard input. */
  | { readonly kind: 'stdin' }
  | { readonly kind: 'file'; readonly path: string }
  /** --version and the like. */
  | { readonly kind: 'nothing' };

export function shellInput(words: readonly string[]): ShellInput {
  let takesText = false;
  let readsStdin = false;
  let at = 1;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--' || word === '-') {
      at += 1;
      break;
    }
    if (!/^[-+]/.test(word)) break;
    if (word.startsWith('--')) {
      if (word === '--version' || word === '--help') return { kind: 'nothing' };
      if (word === '--command') takesText = true;
      if (word === '--rcfile' || word === '--init-file') at += 1;
      continue;
    }
    if (word.startsWith('-') && word.includes('c')) takesText = true;
    if (word.startsWith('-') && word.includes('s')) readsStdin = true;
    if (/[oO]/.test(word)) at += 1;
  }
  const [operand, ...rest] = words.slice(at);
  if (takesText)
    return operand === undefined
      ? { kind: 'nothing' }
      : { kind: 'text', text: operand, positional: [...(rest.length === 0 ? [words[0] ?? ''] : rest)] };
  if (operand === undefined || readsStdin || isStdin(operand)) return { kind: 'stdin' };
  return { kind: 'file', path: isPassed(operand) ? PIPE_PATH : operand };
}
