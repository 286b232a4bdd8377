// Where a path of an E2B client lies in the workspace. Textual only: what it leads to is judged inside the sandbox. Pure.

import { SandboxError } from '../../client/protocol/errors.ts';

const WORKSPACE = '/workspace';
/** What E2B's clients take for the user's home; here it is another name of the workspace. */
export const HOME = '/home/user';

/** `a.txt`, `~/a.txt`, `/workspace/a.txt` and the same below `/home/user` are `a.txt`; the workspace itself is `.`; all else is refused. */
export function workspaceNameOf(path: string): string {
  const absolute = /^~(\/|$)/.test(path) ? `${WORKSPACE}${path.slice(1)}` : path.startsWith('/') ? path : `${WORKSPACE}/${path}`;
  const components: string[] = [];
  for (const component of absolute.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') components.push(component);
    else if (components.pop() === undefined) throw outside(path);
  }
  const flat = `/${components.join('/')}`;
  const root = [WORKSPACE, HOME].find((name) => flat === name || flat.startsWith(`${name}/`));
  if (root === undefined) throw outside(path);
  return flat.slice(root.length + 1) || '.';
}

/** The name that holds everywhere: for files, and for the commands that use them. */
export const shownPath = (name: string): string => (name === '.' || name === '' ? WORKSPACE : `${WORKSPACE}/${name}`);

export const baseName = (name: string): string => shownPath(name).slice(shownPath(name).lastIndexOf('/') + 1);

const outside = (path: string): SandboxError =>
  new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot use path ${JSON.stringify(path.slice(0, 200))}: it is not in the workspace`, {
    hint: `Use a relative path, or one below ${WORKSPACE} or ${HOME}, which are the same directory.`,
  });
