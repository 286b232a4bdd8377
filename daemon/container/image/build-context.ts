// A directory as the context of a build: the bytes of a tar archive, packed with tar-fs as they are asked for, without what
// .dockerignore names. Symlinks travel as symlinks and are followed by nobody here.

import fs, { constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import dockerignore from '@balena/dockerignore';
import { pack, type PackOptions } from 'tar-fs';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { MAX_CONTEXT_BYTES } from '../../../client/protocol/images.ts';

const DOCKERFILE = 'Dockerfile';
const IGNORE_FILE = '.dockerignore';
const MAX_IGNORE_BYTES = 256 * 1024;

export interface ContextOptions {
  /** Told of the bytes so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Bytes of the archive; TOO_LARGE above it. */
  readonly maxBytes?: number | undefined;
}

/** INVALID_REQUEST where there is no Dockerfile. */
export async function openBuildContext(
  directory: string,
  options: ContextOptions = {},
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  const dockerfile = await fs.promises.lstat(join(directory, DOCKERFILE)).catch(() => null);
  if (dockerfile?.isFile() !== true)
    throw new SandboxError('INVALID_REQUEST', `Cannot build from ${directory}: there is no file ${DOCKERFILE} in it`, {
      hint: 'Name a directory with a Dockerfile, a file that docker save wrote, or an image reference.',
    });
  return contextBytes(directory, await ignoredIn(directory), options);
}

async function* contextBytes(
  directory: string,
  isIgnored: (path: string) => boolean,
  { onBytes, maxBytes = MAX_CONTEXT_BYTES }: ContextOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const options: PackOptions & { readonly fs: object } = {
    ignore: (path) => isIgnored(relative(directory, path)),
    // Sockets and devices have no place in an image.
    strict: false,
    map: (header) => ({ ...header, uid: 0, gid: 0 }),
    fs: { ...fs, createReadStream: readNoLink },
  };
  let bytes = 0;
  for await (const part of pack(directory, options) as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > maxBytes)
      throw new SandboxError('TOO_LARGE', `Cannot build from ${directory}: its context has more than ${maxBytes} bytes`, {
        hint: `Leave out what the build does not need, in ${IGNORE_FILE}.`,
      });
    onBytes?.(bytes);
    yield part;
  }
}

/** What has become a symlink or a FIFO since it was looked at is neither followed nor waited for. */
function readNoLink(path: string, range: { readonly start: number; readonly end: number }): fs.ReadStream {
  // Safe because: Node takes the flags of open(2) as a number as well, which its types do not say.
  const flags = (constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK) as unknown as string;
  return fs.createReadStream(path, { ...range, flags });
}

async function ignoredIn(directory: string): Promise<(path: string) => boolean> {
  const text = await readFile(join(directory, IGNORE_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text.length > MAX_IGNORE_BYTES) throw new SandboxError('TOO_LARGE', `Cannot read ${IGNORE_FILE}: it is longer than 256 KiB`);
  const rules = dockerignore.default().add(text);
  // The engine needs the one, and whoever reads the archive may want the other.
  return (path) => path !== '' && path !== DOCKERFILE && path !== IGNORE_FILE && rules.ignores(path);
}
