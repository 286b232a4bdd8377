// What a command's redirections make of its standard input, and which files they write. Pure.

import type { Redirection } from 'unbash';
import type { Stdin } from './scope.ts';
import { expandParts, expandText, expandWord, type WordContext } from './word.ts';

/** Files that the shell opens for writing. */
export function targetsOf(redirects: readonly Redirection[], context: WordContext): readonly string[] {
  return redirects.flatMap((redirect) =>
    redirect.type !== 'Redirect' || redirect.target === undefined || redirect.operator === '<' || redirect.operator === '<&'
      ? []
      : expandWord(redirect.target, context),
  );
}

/** The last one wins, as in a shell. */
export function stdinOf(redirects: readonly Redirection[], inherited: Stdin, context: WordContext): Stdin {
  let stdin = inherited;
  for (const redirect of redirects) {
    if (descriptorOf(redirect) !== 0) continue;
    if (redirect.type === 'HereString')
      stdin = { kind: 'text', text: redirect.target === undefined ? '' : expandText(redirect.target, context) };
    else if (redirect.type === 'HereDoc') {
      const { body } = redirect;
      context.bounds.charge(body, body.text.length);
      context.bounds.follow(body.text.length);
      stdin = { kind: 'text', text: body.parts === undefined ? body.text : expandParts(body.parts, context) };
    } else if (redirect.operator === '<' || redirect.operator === '<>') stdin = fromFile(redirect.target?.text ?? '');
    else if (redirect.operator === '<&') stdin = { kind: 'unknown' };
  }
  return stdin;
}

/** A file is like a script that is run by its name; a substitution is what nobody sees. */
function fromFile(path: string): Stdin {
  if (path === '/dev/null') return { kind: 'none' };
  return /^[<>]\(|^\/(dev|proc)\//.test(path) ? { kind: 'unknown' } : { kind: 'file' };
}

function descriptorOf(redirect: Redirection): number {
  if (redirect.descriptor?.type === 'FileDescriptor') return redirect.descriptor.value;
  return redirect.type === 'Redirect' && /^[>&]/.test(redirect.operator) ? 1 : 0;
}
