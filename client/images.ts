// What operators do to the images of a running daemon: add one, look, take one away.

import type { Connection } from './connection.ts';
import { ImageAdd } from './image-add.ts';
import type { AddedImage, ImageFinding, ImageFindingName, ImageInfo } from './protocol/index.ts';

/** Where an image comes from. Streams are tar archives, not compressed. */
export type ImageSource =
  /** A build context with a Dockerfile, at most 4 GiB. Its steps have no network unless `network` is set. */
  | { readonly kind: 'build'; readonly context: AsyncIterable<Uint8Array>; readonly network?: boolean | undefined }
  /** What `docker save` wrote of one image. */
  | { readonly kind: 'load'; readonly archive: AsyncIterable<Uint8Array> }
  /** What the engine has under this reference, or pulls. */
  | { readonly kind: 'pull'; readonly reference: string };

export interface AddImageOptions {
  /** Findings that are no obstacle, by name. */
  readonly accept?: readonly ImageFindingName[] | undefined;
  /** Told of each line that the engine says. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Told of everything that is found in the image, also where it is then refused for it. */
  readonly onFinding?: ((finding: ImageFinding) => void) | undefined;
  /** Aborting gives the image up: nothing of it is added. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The images of a daemon, for operators.
 * @example
 *   await cloister.images.add('tools', { kind: 'pull', reference: 'registry.example.com/tools:7' }, { accept: ['entrypoint'] });
 *   await using sandbox = await cloister.open({ session: 'build-42', image: 'tools' });
 */
export class Images {
  readonly #connection: Connection;

  /** Made by Cloister. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Builds, loads or pulls an image, checks it and pins the name to its content. Rejects with IMAGE_NOT_ALLOWED, which names what
   * was found and not accepted, and with INVALID_REQUEST for a name that is taken or bytes that are no image.
   */
  async add(name: string, source: ImageSource, options: AddImageOptions = {}): Promise<AddedImage> {
    const { accept = [], onProgress, onFinding, signal } = options;
    const bytes = source.kind === 'build' ? source.context : source.kind === 'load' ? source.archive : null;
    const from =
      source.kind === 'build'
        ? { kind: source.kind, network: source.network ?? false }
        : source.kind === 'load'
          ? { kind: source.kind }
          : { kind: source.kind, reference: source.reference };
    return await new ImageAdd(this.#connection, { name, from, accept: [...accept] }, bytes).run((progress) => {
      if ('finding' in progress) onFinding?.(progress.finding);
      else onProgress?.(progress.line);
    }, signal);
  }

  /** All that a session may ask for. */
  async list(): Promise<ImageInfo[]> {
    return (await this.#connection.call('image.list', {})).images;
  }

  /** Rejects with SESSION_BUSY, naming them, while sandboxes of it live. */
  async remove(name: string): Promise<AddedImage> {
    return await this.#connection.call('image.remove', { name });
  }
}
