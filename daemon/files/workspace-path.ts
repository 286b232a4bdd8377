// What a caller may call a file: text in, path relative to the workspace out. Pure.
// Textual only: symlinks are judged where the file is opened, inside the sandbox, by the kernel.

import { SandboxError } from '../../client/protocol/errors.ts';
import { isPathText, pathBytes } from '../link/path-bytes.ts';

export const WORKSPACE_ROOT = '/workspace';
const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;

/**
 * `src/a.txt`, `./src//a.txt` and `/workspace/src/a.txt` are `src/a.txt`; `/workspace` and `.` are ``.
 * `..` is taken as text, so `a/../b` is `b` even if `a` is a symlink or does not exist; one that would leave the
 * workspace is PATH_ESCAPES_WORKSPACE, also if a later component would come back in. A byte that is no UTF-8 is a lone
 * surrogate U+DC80 to U+DCFF.
 */
export function workspacePath(path: string): string {
  const refuse = (cause: string): never => {
    throw new SandboxError('INVALID_REQUEST', `Cannot use path ${shown(path)}: ${cause}`, {
      hint: 'Name a file relative to the workspace, or absolute under /workspace.',
    });
  };
  if (path === '') return refuse('it is empty');
  if (path.includes('\0')) return refuse('it contains a NUL byte');
  if (!isPathText(path)) return refuse('it is not well-formed Unicode');
  if (pathBytes(path).length > MAX_PATH_BYTES) return refuse(`it takes more than ${MAX_PATH_BYTES} bytes`);
  const components = path.split('/');
  if (path.startsWith('/')) {
    const [, root, ...inside] = components.filter((component, index) => index === 0 || (component !== '' && component !== '.'));
    if (root !== WORKSPACE_ROOT.slice(1)) throw escapes(path);
    return relative(path, inside);
  }
  return relative(path, components);
}

function relative(path: string, components: readonly string[]): string {
  const kept: string[] = [];
  for (const component of components) {
    if (component === '' || component === '.') continue;
    if (component !== '..') {
      if (pathBytes(component).length > MAX_NAME_BYTES) {
        throw new SandboxError('INVALID_REQUEST', `Cannot use path ${shown(path)}: a name in it takes more than ${MAX_NAME_BYTES} bytes`);
      }
      kept.push(component);
    } else if (kept.pop() === undefined) throw escapes(path);
  }
  return kept.join('/');
}

function escapes(path: string): SandboxError {
  return new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot use path ${shown(path)}: it leads out of the workspace`);
}

/** A path in a message: quoted, control characters escaped, not longer than a line. */
export function shown(path: string): string {
  const text = JSON.stringify(path);
  return text.length <= 200 ? text : `${text.slice(0, 199)}..."`;
}
