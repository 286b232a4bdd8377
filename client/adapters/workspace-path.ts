// Where a path of a framework lies that calls the root of its files `/`. Pure.

export const WORKSPACE = '/workspace';

/** `/notes.md` is `/workspace/notes.md`; what is below /workspace already, or relative, stays as it is. */
export function inWorkspace(path: string): string {
  const isInside = path === WORKSPACE || path.startsWith(`${WORKSPACE}/`);
  return isInside || !path.startsWith('/') ? path : `${WORKSPACE}${path === '/' ? '' : path}`;
}

/** `name` in `directory`, absolute. */
export function below(directory: string, name: string): string {
  const absolute = directory.startsWith('/') ? directory : `${WORKSPACE}/${directory}`;
  return `${absolute.replace(/(?:\/\.?)+$/, '')}/${name}`;
}
