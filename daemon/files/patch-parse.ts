// Text of a patch -> files and hunks. Finds out which of the two dialects it is; one pass over its lines.

import { SandboxError } from '../../client/protocol/errors.ts';
import { type FilePatch, MAX_PATCH_FILES, MAX_PATCH_LINES } from './patch-model.ts';
import { isUnifiedHeader, parseHunks, parseUnified } from './patch-unified.ts';
import { isV4aHeader, parseV4a, parseV4aBody } from './patch-v4a.ts';

/** `path`: the file of a patch without file headers. */
export function parsePatch(patch: string, path: string | undefined): FilePatch[] {
  const lines = patchLines(patch);
  if (lines.length > MAX_PATCH_LINES)
    throw new SandboxError('TOO_LARGE', `Cannot apply the patch: it has ${lines.length} lines, more than ${MAX_PATCH_LINES}`, {
      hint: 'Apply it in parts.',
    });
  const files = parseFiles(lines, path);
  if (files.length === 0)
    throw new SandboxError('INVALID_REQUEST', 'Cannot read the patch: it changes no file', {
      hint: 'Begin each file with --- and +++ lines, or with *** Update File:; for hunks alone name the file with path.',
    });
  if (files.length > MAX_PATCH_FILES)
    throw new SandboxError('TOO_LARGE', `Cannot apply the patch: it changes ${files.length} files, more than ${MAX_PATCH_FILES}`);
  return files;
}

function parseFiles(lines: readonly string[], path: string | undefined): FilePatch[] {
  for (const [index, line] of lines.entries()) {
    if (isV4aHeader(line)) return parseV4a(lines, index);
    if (isUnifiedHeader(lines, index)) return parseUnified(lines, index);
  }
  if (path === undefined) return [];
  const first = lines.findIndex((line) => line !== '');
  if (first === -1) return [];
  if (/^@@ -\d/.test(lines[first] ?? '')) {
    const { hunks } = parseHunks(lines, first);
    return [{ action: 'change', path, dialect: 'unified', hunks }];
  }
  return [parseV4aBody(lines, path)];
}

/** Without their LF; in a patch whose every line ends with CRLF the CR belongs to the transport, not to the files. */
function patchLines(patch: string): string[] {
  const lines = patch.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.every((line) => line.endsWith('\r')) ? lines.map((line) => line.slice(0, -1)) : lines;
}

/** Every path that a patch writes or removes, as it names them; none if it can't be read. */
export function patchedPaths(patch: string, path: string | undefined): { readonly path: string; readonly isRemoved: boolean }[] {
  let files: FilePatch[];
  try {
    files = parsePatch(patch, path);
  } catch (error) {
    if (SandboxError.is(error)) return [];
    throw error;
  }
  return files.flatMap((file) => [
    { path: file.path, isRemoved: file.action === 'delete' || file.to !== undefined },
    ...(file.otherPath === undefined ? [] : [{ path: file.otherPath, isRemoved: false }]),
    ...(file.to === undefined ? [] : [{ path: file.to, isRemoved: false }]),
  ]);
}
