// What the text verbs need of files, and one file as text. The files themselves are sandbox-files.ts'.

import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { FileListing, FileStat } from '../../client/protocol/files.ts';
import { MAX_TEXT_FILE_BYTES } from '../../client/protocol/text.ts';
import { binaryRefusal, decodeText, type DecodedText } from './text-encoding.ts';
import { shown, WORKSPACE_ROOT, workspacePath } from './workspace-path.ts';

const MAX_LINKS = 8;

export interface TextStore {
  read(path: string): AsyncIterable<Uint8Array> & { readonly stat: Promise<FileStat> };
  write(
    path: string,
    bytes: Uint8Array,
    options: { readonly mode?: number | undefined; readonly ifMatch?: string | undefined; readonly exclusive?: boolean | undefined },
  ): Promise<FileStat>;
  stat(path: string, options?: { readonly followSymlink?: boolean | undefined }): Promise<FileStat>;
  readlink(path: string): Promise<string>;
  remove(path: string): Promise<void>;
  hash(path: string): Promise<{ readonly sha256: string }>;
  list(path: string, options: { readonly depth: number; readonly limit: number }): Promise<FileListing>;
}

/** Asked of the file that a symlink led to, by its own path, before it is read; throws to refuse. */
export type Permit = (path: string) => void | Promise<void>;

export interface ContentOnDisk {
  /** Relative to the workspace; no symlink. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly mode: number;
}

export interface TextOnDisk extends ContentOnDisk, DecodedText {}

/** The content of a small file, or null where no file is. A symlink is followed by name, so that what is written replaces its target. */
export async function readContent(store: TextStore, verb: string, path: string, permit: Permit): Promise<ContentOnDisk | null> {
  let at = workspacePath(path);
  for (let links = 0; ; links += 1) {
    const stat = await statOrNull(store, at);
    if (stat === null) return null;
    if (stat.kind === 'file') break;
    if (stat.kind !== 'symlink') return refuseKind(verb, path, stat);
    if (links === MAX_LINKS) throw new SandboxError('PATH_ESCAPES_WORKSPACE', `Cannot ${verb} ${shown(path)}: it has too many symlinks`);
    at = workspacePath(targetOf(at, await store.readlink(at)));
  }
  if (at !== workspacePath(path)) await permit(at);
  const reader = store.read(at);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of reader) {
    size += part.byteLength;
    if (size > MAX_TEXT_FILE_BYTES) throw tooLarge(verb, path);
    parts.push(part);
  }
  const stat = await reader.stat;
  // A link's `..` is text here, and what the kernel follows there: where they differ, another file would be written.
  if (at !== workspacePath(path) && (await store.stat(path)).inode !== stat.inode)
    throw new SandboxError('INVALID_REQUEST', `Cannot ${verb} ${shown(path)}: its symlink leads through another one`, {
      hint: 'Name the file itself.',
    });
  const bytes = Buffer.concat(parts, size);
  return { path: at, bytes, sha256: sha256Of(bytes), mode: stat.mode };
}

export async function readTextFile(store: TextStore, verb: string, path: string, permit: Permit): Promise<TextOnDisk> {
  const content = await readContent(store, verb, path, permit);
  if (content === null)
    throw new SandboxError('FILE_NOT_FOUND', `Cannot ${verb} ${shown(path)}: there is no such file`, {
      hint: 'Check the path; files.write makes a file.',
    });
  const decoded = decodeText(content.bytes);
  if (decoded === null) throw binaryRefusal(verb, path);
  return { ...content, ...decoded };
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function tooLarge(verb: string, path: string): SandboxError {
  return new SandboxError('TOO_LARGE', `Cannot ${verb} ${shown(path)}: it is larger than ${MAX_TEXT_FILE_BYTES} bytes`, {
    hint: 'Change it with a command (sed, a script), or write it whole.',
  });
}

async function statOrNull(store: TextStore, path: string): Promise<FileStat | null> {
  try {
    return await store.stat(path === '' ? '.' : path, { followSymlink: false });
  } catch (error) {
    if (SandboxError.is(error, 'FILE_NOT_FOUND')) return null;
    throw error;
  }
}

function refuseKind(verb: string, path: string, { kind }: FileStat): never {
  if (kind === 'directory') throw new SandboxError('IS_DIRECTORY', `Cannot ${verb} ${shown(path)}: it is a directory`);
  throw new SandboxError('NOT_REGULAR_FILE', `Cannot ${verb} ${shown(path)}: it is a ${kind}`);
}

function targetOf(link: string, target: string): string {
  return target.startsWith('/') ? target : posix.join(WORKSPACE_ROOT, posix.dirname(link), target);
}
