// What adding images takes of the engine, over dockerode: archives in, pulls, and a file system out to be looked at.

import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { SandboxError } from '../../client/protocol/errors.ts';
import { boundedCall } from './docker-call.ts';
import { connectDocker } from './docker-connect.ts';
import { containerRef, imageRef } from './docker-names.ts';
import { feeding, followProgress } from './docker-progress.ts';
import { imageListSchema } from './docker-replies.ts';
import type { CallOptions, ImageDriver } from './driver.ts';
import { EngineAgent } from './engine-agent.ts';

const TIMEOUT_MS = 30_000;
const IMAGE_TIMEOUT_MS = 30 * 60_000;
/** Of a registry that is not there, in the engine's words. */
const UNREACHABLE = /dial tcp|lookup |no such host|connection refused|i\/o timeout|unreachable|request canceled|TLS handshake|EOF$/i;
const UNKNOWN = /not found|does not exist|manifest unknown|pull access denied|unauthorized|denied/i;

export class DockerImages implements ImageDriver {
  readonly #docker: Docker;
  readonly #endpoint: string;

  constructor({ socketPath }: { readonly socketPath: string }) {
    this.#endpoint = `unix://${socketPath}`;
    this.#docker = connectDocker(socketPath, new EngineAgent({ keepAlive: false }));
  }

  async loadImage(archive: Readable, options: CallOptions, onProgress: (line: string) => void): Promise<void> {
    await this.#call('load', 'the image', options, IMAGE_TIMEOUT_MS, (abortSignal) =>
      feeding('load the image', archive, async () =>
        followProgress(bytesOf(await this.#docker.loadImage(archive, { quiet: true, abortSignal })), onProgress),
      ),
    );
  }

  async pullImage(reference: string, options: CallOptions, onProgress: (line: string) => void): Promise<void> {
    const name = imageRef(reference);
    try {
      await this.#call('pull', `image ${name}`, options, IMAGE_TIMEOUT_MS, async (abortSignal) =>
        followProgress(bytesOf(await this.#docker.pull(name, { abortSignal })), onProgress),
      );
    } catch (error) {
      throw options.signal?.aborted === true ? error : pullError(name, error);
    }
  }

  async exportContainer<T>(id: string, options: CallOptions, use: (tar: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
    const container = this.#docker.getContainer(containerRef(id));
    return this.#call('read', `the files of container ${id}`, options, IMAGE_TIMEOUT_MS, async (abortSignal) =>
      use(bytesOf(await container.export({ abortSignal }))),
    );
  }

  async tagsOf(repository: string, options: CallOptions = {}): Promise<readonly string[]> {
    const reference = [imageRef(repository)];
    const listed = await this.#call('list', 'images', options, TIMEOUT_MS, async () =>
      imageListSchema.parse(await this.#docker.listImages({ filters: { reference } })),
    );
    return listed.flatMap(({ RepoTags }) => RepoTags).filter((tag) => tag.startsWith(`${repository}:`));
  }

  #call<T>(verb: string, object: string, options: CallOptions, timeoutMs: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return boundedCall({ name: { verb, object }, endpoint: this.#endpoint, defaultTimeoutMs: timeoutMs, options, run });
  }
}

/** Safe because: dockerode sets no encoding on what it answers, so the chunks are buffers. */
const bytesOf = (stream: NodeJS.ReadableStream): AsyncIterable<Uint8Array> => stream as unknown as AsyncIterable<Uint8Array>;

function pullError(reference: string, error: unknown): unknown {
  if (!SandboxError.is(error) || error.code === 'ENGINE_UNAVAILABLE') return error;
  const cause = error.message.slice(error.message.indexOf(': ') + 2);
  if (UNREACHABLE.test(cause))
    return new SandboxError('ENGINE_UNAVAILABLE', `Cannot pull image ${reference}: the engine cannot reach its registry: ${cause}`, {
      hint: 'See to the network of the engine, or carry the image here: docker save elsewhere, then --from FILE.tar.',
      cause: error,
    });
  if (error.code !== 'NOT_FOUND' && !UNKNOWN.test(cause)) return error;
  return new SandboxError('NOT_FOUND', `Cannot pull image ${reference}: ${cause}`, {
    hint: 'Check the reference. Registries that want a login are not supported: docker save elsewhere, then --from FILE.tar.',
    cause: error,
  });
}
