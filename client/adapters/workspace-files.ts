// What several frameworks ask of files beyond the client's verbs. Knows no framework.

import { SandboxError } from '../errors.ts';
import type { SandboxFiles } from '../files.ts';
import type { FileKind } from '../protocol/index.ts';
import { imageTypeOf } from './media-type.ts';

/** Entries of one listing. */
export const MAX_LISTED = 10_000;
const MAX_IMAGE_BYTES = 10 * 1024 * 1024;

/** null: nothing is there. */
export async function kindOf(files: SandboxFiles, path: string): Promise<FileKind | null> {
  try {
    return (await files.stat(path)).kind;
  } catch (error) {
    if (SandboxError.is(error, 'FILE_NOT_FOUND') || SandboxError.is(error, 'NOT_DIRECTORY')) return null;
    throw error;
  }
}

/** An image that a model can be shown. */
export async function readImage(files: SandboxFiles, path: string): Promise<{ data: Uint8Array<ArrayBuffer>; mediaType: string }> {
  const data = await files.read(path, { length: MAX_IMAGE_BYTES + 1 });
  if (data.byteLength > MAX_IMAGE_BYTES) throw new Error(`Image file exceeds the 10 MB limit: ${path}`);
  const mediaType = imageTypeOf(data);
  if (mediaType === null) throw new Error(`Unsupported image format: ${path}`);
  return { data: Uint8Array.from(data), mediaType };
}
