// Files as E2B's clients are told of them. Pure but for the looking.

import type { FileKind, FileStat, Sandbox } from '../../client/index.ts';
import { baseName, shownPath } from './sandbox-path.ts';

const TYPES: Partial<Record<FileKind, string>> = {
  file: 'FILE_TYPE_FILE',
  directory: 'FILE_TYPE_DIRECTORY',
  symlink: 'FILE_TYPE_SYMLINK',
};
const OWNER = 'user';

/** `name` is from the workspace. */
export function entryInfo(name: string, stat: FileStat, symlinkTarget?: string): Record<string, unknown> {
  return {
    name: baseName(name),
    path: shownPath(name),
    type: TYPES[stat.kind] ?? 'FILE_TYPE_UNSPECIFIED',
    // 64 bits are a text in the JSON of protocol buffers.
    size: String(stat.size),
    mode: stat.mode,
    permissions: permissionsOf(stat),
    owner: OWNER,
    group: OWNER,
    modifiedTime: stat.modifiedAt,
    ...(symlinkTarget === undefined ? {} : { symlinkTarget }),
  };
}

/** A symlink is told of as one, with where it points. */
export async function lookAt({ files }: Pick<Sandbox, 'files'>, name: string): Promise<Record<string, unknown>> {
  const stat = await files.stat(name, { followSymlink: false });
  return entryInfo(name, stat, stat.kind === 'symlink' ? await files.readlink(name) : undefined);
}

/** As `ls -l` writes it. */
export function permissionsOf({ kind, mode }: Pick<FileStat, 'kind' | 'mode'>): string {
  const first = kind === 'directory' ? 'd' : kind === 'symlink' ? 'l' : '-';
  return first + Array.from('rwxrwxrwx', (letter, index) => ((mode & (1 << (8 - index))) === 0 ? '-' : letter)).join('');
}
