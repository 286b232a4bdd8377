// Has the engine build, load or pull an image, and holds it under a reference of ours meanwhile. What was made for an image that is
// then given up goes again with that reference.

import { Readable } from 'node:stream';
import { SandboxError } from '../../../client/protocol/errors.ts';
import { type ImageOrigin, MAX_CONTEXT_BYTES } from '../../../client/protocol/images.ts';
import type { ContainerDriver, ImageDetails, ImageDriver } from '../driver.ts';
import { savedImage } from './saved-image.ts';

/** Of an archive of a whole image. */
const MAX_ARCHIVE_BYTES = 64 * 1024 ** 3;
/** Argument of a Dockerfile that names the image that set-up built. */
const BASE_ARGUMENT = 'CLOISTER_BASE';
/** A Dockerfile need not use it. */
const UNUSED_BASE = /build-args? \[CLOISTER_BASE\] were not consumed/;

export interface ObtainOptions {
  readonly driver: ContainerDriver;
  readonly images: ImageDriver;
  readonly from: ImageOrigin;
  /** Bytes of a context or archive. */
  readonly source: AsyncIterable<Uint8Array>;
  /** Repository and tag that hold it until it is pinned. */
  readonly holder: { readonly repo: string; readonly tag: string };
  /** Network of a build's steps that may use one; the engine's own default if undefined. */
  readonly buildNetwork: string | undefined;
  /** Engine id of the base image. */
  readonly baseImage: string;
  readonly signal: AbortSignal;
  readonly tell: (line: string) => void;
}

export async function obtainImage(options: ObtainOptions): Promise<ImageDetails> {
  const { driver, from, holder, signal } = options;
  if (from.kind === 'build') await build(options, from.network);
  else if (from.kind === 'load') await load(options);
  else await pull(options, from.reference);
  const held = await driver.inspectImage(`${holder.repo}:${holder.tag}`, { signal });
  if (held === null)
    throw new SandboxError('SANDBOX_FAILED', 'Cannot add the image: the engine does not have what it says it made', { hint: '' });
  return held;
}

async function build({ driver, source, holder, baseImage, buildNetwork, signal, tell }: ObtainOptions, hasNetwork: boolean): Promise<void> {
  // Safe because: an operator asked for it by name; without it the steps of a Dockerfile reach nothing.
  const networkMode = hasNetwork ? buildNetwork : 'none';
  tell(`building; its steps have ${hasNetwork ? "the engine's network" : 'no network'}`);
  await feed(bounded(source, MAX_CONTEXT_BYTES, 'the build context'), signal, (context, both) =>
    driver.buildImage(
      context,
      { tag: `${holder.repo}:${holder.tag}`, buildArgs: { [BASE_ARGUMENT]: baseImage }, networkMode, signal: both },
      (line) => {
        if (!UNUSED_BASE.test(line)) tell(line);
      },
    ),
  );
}

async function load({ images, source, holder, signal, tell }: ObtainOptions): Promise<void> {
  const archive = savedImage(bounded(source, MAX_ARCHIVE_BYTES, 'the archive'), `${holder.repo}:${holder.tag}`);
  await feed(archive, signal, (tar, both) => images.loadImage(tar, { signal: both }, tell));
}

/** What the engine has already is not asked for again: the operator may have built it there, with no registry in reach. */
async function pull({ driver, images, holder, signal, tell }: ObtainOptions, reference: string): Promise<void> {
  const present = await driver.inspectImage(reference, { signal });
  if (present !== null) {
    tell(`the engine has ${reference} already: ${present.id}`);
    return await driver.tagImage(present.id, holder, { signal });
  }
  try {
    await images.pullImage(reference, { signal }, tell);
    await driver.tagImage(reference, holder, { signal });
  } finally {
    // Its own name was not there before. Not under the signal: what is given up has to go as well.
    await driver.removeImage(reference).catch(() => undefined);
  }
}

/** A source that fails ends the engine's call with its own error. */
async function feed<T>(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  run: (tar: Readable, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  const tar = Readable.from(source, { objectMode: false });
  tar.on('error', (error) => failed.abort(error));
  try {
    return await run(tar, AbortSignal.any([signal, failed.signal]));
  } finally {
    tar.destroy();
  }
}

async function* bounded(source: AsyncIterable<Uint8Array>, maxBytes: number, what: string): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const part of source) {
    bytes += part.byteLength;
    if (bytes > maxBytes) throw new SandboxError('TOO_LARGE', `Cannot add the image: ${what} has more than ${maxBytes} bytes`);
    yield part;
  }
}
