// The container driver over dockerode, the only file that imports it. Owns the connection to one local engine;
// knows nothing of sandboxes, sessions or policy.
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import { boundedCall, refusalOf } from './docker-call.ts';
import { connectDocker } from './docker-connect.ts';
import { containerRef, imageRef } from './docker-names.ts';
import { feeding, followProgress } from './docker-progress.ts';
import * as replies from './docker-replies.ts';
import { limitsUpdate, toContainerSummary, toEngineInfo, toImageDetails } from './docker-translate.ts';
import type * as driver from './driver.ts';
import { EngineAgent } from './engine-agent.ts';

type CallOptions = driver.CallOptions;

const DEFAULT_TIMEOUT_MS = 30_000;
const CREATE_TIMEOUT_MS = 120_000;
const IMAGE_TIMEOUT_MS = 30 * 60_000;
/** How long the engine's own idea of "paused" may lag behind. */
const SETTLE_MS = 1_000;
const SETTLE_STEP_MS = 25;
const MAX_SOCKETS = 128;

export interface DockerDriverOptions {
  /** Path of the engine's unix socket. */
  readonly socketPath: string;
  /** Milliseconds a plain call may take. */
  readonly timeoutMs?: number | undefined;
}

/** Calls whose published types lack the abort signal that their implementation takes. */
interface StatusCalls {
  ping(options: { abortSignal: AbortSignal }): Promise<unknown>;
  version(options: { abortSignal: AbortSignal }): Promise<unknown>;
  info(options: { abortSignal: AbortSignal }): Promise<unknown>;
}

export class DockerDriver implements driver.ContainerDriver {
  readonly endpoint: string;
  readonly #calls: Docker;
  readonly #waits: Docker;
  readonly #status: StatusCalls;
  readonly #timeoutMs: number;

  constructor(options: DockerDriverOptions) {
    this.endpoint = `unix://${options.socketPath}`;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    // No keep-alive: a socket kept over a restart of the engine fails the next call for nothing.
    this.#calls = connectDocker(options.socketPath, new EngineAgent({ keepAlive: false, maxSockets: MAX_SOCKETS }));
    this.#status = this.#calls;
    this.#waits = connectDocker(options.socketPath, new EngineAgent({ keepAlive: false }));
  }

  async ping(options?: CallOptions): Promise<void> {
    await this.#call('reach', 'the engine', options, (abortSignal) => this.#status.ping({ abortSignal }));
  }

  async version(options?: CallOptions): Promise<driver.EngineVersion> {
    const raw = await this.#parsed('read', 'the engine version', options, replies.versionSchema, (abortSignal) =>
      this.#status.version({ abortSignal }),
    );
    return {
      version: raw.Version,
      apiVersion: raw.ApiVersion,
      minApiVersion: raw.MinAPIVersion,
      os: raw.Os,
      arch: raw.Arch,
      kernelVersion: raw.KernelVersion,
    };
  }

  async info(options?: CallOptions): Promise<driver.EngineInfo> {
    const raw = await this.#parsed('read', 'the engine information', options, replies.infoSchema, (abortSignal) =>
      this.#status.info({ abortSignal }),
    );
    return toEngineInfo(raw);
  }

  async createContainer(body: driver.ContainerCreateBody, name: string, options?: CallOptions): Promise<string> {
    const request = { _query: { name: containerRef(name) }, _body: body };
    const reply = await this.#parsed(
      'create',
      `container ${name}`,
      options,
      replies.createReplySchema,
      (abortSignal) => this.#calls.createContainer({ ...request, abortSignal }),
      CREATE_TIMEOUT_MS,
    );
    return reply.id;
  }

  async start(id: string, options?: CallOptions): Promise<void> {
    await this.#container('start', id, options, (container, abortSignal) => container.start({ abortSignal }));
  }

  async inspect(id: string, options?: CallOptions): Promise<driver.ContainerInspect> {
    return this.#container('inspect', id, options, async (container, abortSignal) =>
      replies.containerInspectSchema.parse(await container.inspect({ abortSignal })),
    );
  }

  async list(filter: driver.ListFilter = {}, options?: CallOptions): Promise<readonly driver.ContainerSummary[]> {
    const label = Object.entries(filter.labels ?? {}).map(([key, value]) => (value === null ? key : `${key}=${value}`));
    const all = filter.all ?? false;
    const rows = await this.#parsed('list', 'containers', options, replies.containerListSchema, (abortSignal) =>
      this.#calls.listContainers({ all, filters: { label }, abortSignal }),
    );
    return rows.map(toContainerSummary);
  }

  async updateLimits(id: string, limits: driver.ContainerLimits, options?: CallOptions): Promise<void> {
    await this.#container('update', id, options, (container, abortSignal) =>
      container.update({ _body: limitsUpdate(limits), abortSignal }),
    );
  }

  async pause(id: string, options?: CallOptions): Promise<void> {
    await this.#settle('pause', id, /already paused/i, options, (container, abortSignal) => container.pause({ abortSignal }));
  }

  async unpause(id: string, options?: CallOptions): Promise<void> {
    await this.#settle('unpause', id, /not paused/i, options, (container, abortSignal) => container.unpause({ abortSignal }));
  }

  async kill(id: string, options?: CallOptions): Promise<void> {
    await this.#container('kill', id, options, async (container, abortSignal) => {
      await container.kill({ signal: 'SIGKILL', abortSignal }).catch((error: unknown) => {
        if (!/is not running/i.test(refusalOf(error)?.message ?? '')) throw error;
      });
    });
  }

  async remove(id: string, options: CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    await this.#container('remove', id, options, async (container, abortSignal) => {
      const gone = (error: unknown): void => {
        if (refusalOf(error)?.statusCode !== 404) throw error;
      };
      try {
        await container.remove({ force: options.force ?? false, v: true, abortSignal });
      } catch (error) {
        const inProgress = /already in progress/i.test(refusalOf(error)?.message ?? '');
        if (inProgress) await container.wait({ condition: 'removed', abortSignal }).catch(gone);
        else gone(error);
      }
    });
  }

  async waitForEnd(id: string, options?: CallOptions): Promise<driver.ContainerEnd> {
    const container = this.#waits.getContainer(containerRef(id));
    const wait = (abortSignal: AbortSignal): Promise<unknown> => container.wait({ condition: 'not-running', abortSignal });
    const raw = await this.#parsed('wait for', `container ${id}`, options, replies.waitSchema, wait, Number.POSITIVE_INFINITY);
    return { exitCode: raw.StatusCode, error: raw.Error?.Message ?? '' };
  }

  async importImage(tar: Readable, options: driver.ImportOptions): Promise<string> {
    const name = imageRef(`${options.repo}:${options.tag}`);
    const query = { repo: options.repo, tag: options.tag, changes: [...(options.changes ?? [])] };
    const run = (abortSignal: AbortSignal): Promise<unknown> =>
      feeding(`import image ${name}`, tar, async () => followProgress(await this.#calls.importImage(tar, { ...query, abortSignal })));
    await this.#call('import', `image ${name}`, options, run, IMAGE_TIMEOUT_MS);
    return this.#imageId('import', name, options);
  }

  async buildImage(context: Readable, options: driver.BuildOptions, onProgress?: (line: string) => void): Promise<string> {
    const name = imageRef(options.tag);
    const query = {
      t: name,
      dockerfile: options.dockerfile ?? 'Dockerfile',
      buildargs: { ...options.buildArgs },
      labels: { ...options.labels },
      nocache: !(options.hasCache ?? true),
      forcerm: true,
      ...(options.networkMode === undefined ? {} : { networkmode: options.networkMode }),
    };
    const run = (abortSignal: AbortSignal): Promise<unknown> =>
      feeding(`build image ${name}`, context, async () =>
        followProgress(await this.#calls.buildImage(context, { ...query, abortSignal }), onProgress),
      );
    await this.#call('build', `image ${name}`, options, run, IMAGE_TIMEOUT_MS);
    return this.#imageId('build', name, options);
  }

  async inspectImage(name: string, options?: CallOptions): Promise<driver.ImageDetails | null> {
    const image = this.#calls.getImage(imageRef(name));
    return this.#call('inspect', `image ${name}`, options, async () => {
      try {
        return toImageDetails(replies.imageInspectSchema.parse(await image.inspect()));
      } catch (error) {
        if (refusalOf(error)?.statusCode === 404) return null;
        throw error;
      }
    });
  }

  async tagImage(source: string, target: { readonly repo: string; readonly tag: string }, options?: CallOptions): Promise<void> {
    imageRef(`${target.repo}:${target.tag}`);
    const image = this.#calls.getImage(imageRef(source));
    await this.#call('tag', `image ${source}`, options, (abortSignal) => image.tag({ repo: target.repo, tag: target.tag, abortSignal }));
  }

  async removeImage(name: string, options: CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    const image = this.#calls.getImage(imageRef(name));
    const run = async (abortSignal: AbortSignal): Promise<void> => {
      await image.remove({ force: options.force ?? false, abortSignal }).catch((error: unknown) => {
        if (refusalOf(error)?.statusCode !== 404) throw error;
      });
    };
    await this.#call('remove', `image ${name}`, options, run, CREATE_TIMEOUT_MS);
  }

  async #imageId(verb: string, name: string, options: CallOptions): Promise<string> {
    const details = await this.inspectImage(name, { signal: options.signal });
    if (details === null)
      throw new SandboxError('SANDBOX_FAILED', `Cannot ${verb} image ${name}: the engine reported success but does not know it`);
    return details.id;
  }

  async #settle(
    verb: string,
    id: string,
    lagging: RegExp,
    options: CallOptions | undefined,
    run: (container: Docker.Container, signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    const deadline = performance.now() + SETTLE_MS;
    await this.#container(verb, id, options, async (container, signal) => {
      for (;;) {
        try {
          return await run(container, signal);
        } catch (error) {
          const refusal = refusalOf(error);
          // The engine says what we ask for is so already, perhaps because it has not yet noticed the opposite call before.
          if (refusal === null || !lagging.test(refusal.message)) throw error;
          if (performance.now() >= deadline) return undefined;
          await sleep(SETTLE_STEP_MS, undefined, { signal });
        }
      }
    });
  }

  #container<T>(
    verb: string,
    id: string,
    options: CallOptions | undefined,
    run: (container: Docker.Container, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const container = this.#calls.getContainer(containerRef(id));
    return this.#call(verb, `container ${id}`, options, (signal) => run(container, signal));
  }

  #parsed<S extends z.ZodType>(
    verb: string,
    object: string,
    options: CallOptions | undefined,
    schema: S,
    run: (signal: AbortSignal) => Promise<unknown>,
    timeoutMs = this.#timeoutMs,
  ): Promise<z.infer<S>> {
    return this.#call(verb, object, options, async (signal) => schema.parse(await run(signal)), timeoutMs);
  }

  #call<T>(
    verb: string,
    object: string,
    options: CallOptions | undefined,
    run: (signal: AbortSignal) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    return boundedCall({ name: { verb, object }, endpoint: this.endpoint, defaultTimeoutMs: timeoutMs, options, run });
  }
}
