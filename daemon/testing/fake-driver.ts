// An engine in memory that passes the contract suite of the real one. For unit tests only; runs no process.
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { SandboxError } from '../../client/protocol/errors.ts';
import { followProgress } from '../container/docker-progress.ts';
import { containerInspectSchema } from '../container/docker-replies.ts';
import { limitsUpdate } from '../container/docker-translate.ts';
import type * as driver from '../container/driver.ts';
import { type FakeContainer, imageChanges, rawInspect } from './fake-inspect.ts';

export interface FakeDriverOptions {
  readonly now?: (() => number) | undefined;
  readonly info?: Partial<driver.EngineInfo> | undefined;
}

export class FakeDriver implements driver.ContainerDriver {
  readonly endpoint = 'unix:///fake/docker.sock';
  /** Every call so far, as `verb subject`. */
  readonly calls: string[] = [];
  readonly #containers = new Map<string, FakeContainer>();
  readonly #images = new Map<string, driver.ImageDetails>();
  readonly #failures = new Map<string, Error>();
  readonly #now: () => number;
  readonly #info: Partial<driver.EngineInfo>;
  #alter: ((raw: driver.ContainerInspect) => driver.ContainerInspect) | undefined;
  #serial = 0;

  constructor(options: FakeDriverOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#info = options.info ?? {};
  }

  /** The next call of this method fails with this error. */
  failNext(method: keyof driver.ContainerDriver, error: Error): void {
    this.#failures.set(method, error);
  }

  /** Changes what `inspect` says, as somebody would who alters a container behind our back. */
  alterInspect(alter: ((inspect: driver.ContainerInspect) => driver.ContainerInspect) | undefined): void {
    this.#alter = alter;
  }

  addImage(name: string, details: Partial<driver.ImageDetails> = {}): driver.ImageDetails {
    const image: driver.ImageDetails = {
      id: `sha256:${createHash('sha256')
        .update(`${name} ${(this.#serial += 1)}`)
        .digest('hex')}`,
      repoTags: [name],
      repoDigests: [],
      architecture: 'amd64',
      os: 'linux',
      sizeBytes: 1024,
      user: '',
      env: [],
      entrypoint: [],
      cmd: [],
      workingDir: '',
      labels: {},
      volumes: [],
      exposedPorts: [],
      hasHealthcheck: false,
      ...details,
    };
    this.#images.set(name, image);
    return image;
  }

  /** Ends a running container as if its first process had exited. */
  endContainer(id: string, exitCode = 0): void {
    const container = this.#get('end', id);
    if (container.state !== 'running' && container.state !== 'paused') return;
    container.state = 'exited';
    container.pid = 0;
    container.exitCode = exitCode;
    for (const waiter of container.waiters) waiter({ exitCode, error: '' });
    container.waiters.clear();
  }

  async ping(options?: driver.CallOptions): Promise<void> {
    this.#enter('ping', 'the engine', options);
  }

  async version(options?: driver.CallOptions): Promise<driver.EngineVersion> {
    this.#enter('version', 'the engine', options);
    return { version: '20.10.24', apiVersion: '1.41', minApiVersion: '1.12', os: 'linux', arch: 'amd64', kernelVersion: '6.1.0' };
  }

  async info(options?: driver.CallOptions): Promise<driver.EngineInfo> {
    this.#enter('info', 'the engine', options);
    return {
      engineId: 'FAKE',
      serverVersion: '20.10.24',
      operatingSystem: 'Fake',
      kernelVersion: '6.1.0',
      architecture: 'x86_64',
      cgroupVersion: '2',
      cgroupDriver: 'cgroupfs',
      storageDriver: 'overlay2',
      rootDir: '/fake/data',
      runtimes: ['runc'],
      defaultRuntime: 'runc',
      securityOptions: ['name=seccomp,profile=default'],
      cpus: 4,
      memoryBytes: 8 * 2 ** 30,
      isLiveRestore: true,
      canLimitMemory: true,
      canLimitSwap: true,
      canLimitPids: true,
      canLimitCpu: true,
      warnings: [],
      ...this.#info,
    };
  }

  async createContainer(body: driver.ContainerCreateBody, name: string, options?: driver.CallOptions): Promise<string> {
    this.#enter('createContainer', name, options);
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]+$/.test(name))
      throw new SandboxError('INVALID_REQUEST', `Cannot use container ${JSON.stringify(name)}: not a valid name`);
    const image = this.#image(body.Image);
    if (image === undefined) throw new SandboxError('NOT_FOUND', `Cannot create container ${name}: No such image: ${body.Image}`);
    if ([...this.#containers.values()].some((container) => container.name === name))
      throw new SandboxError('SANDBOX_FAILED', `Cannot create container ${name}: the engine refused (409): the name is already in use`);
    const id = createHash('sha256')
      .update(`container ${(this.#serial += 1)}`)
      .digest('hex');
    const merged = {
      ...body,
      Labels: { ...image.labels, ...body.Labels },
      Env: [...image.env, ...(body.Env ?? [])],
      WorkingDir: body.WorkingDir ?? image.workingDir,
    };
    this.#containers.set(id, {
      id,
      name,
      createdAtMs: this.#now(),
      imageId: image.id,
      body: merged,
      state: 'created',
      pid: 0,
      exitCode: 0,
      waiters: new Set(),
    });
    return id;
  }

  async start(id: string, options?: driver.CallOptions): Promise<void> {
    this.#enter('start', id, options);
    const container = this.#get('start', id);
    if (container.state === 'running') return;
    container.state = 'running';
    container.pid = 100_000 + (this.#serial += 1);
  }

  async inspect(id: string, options?: driver.CallOptions): Promise<driver.ContainerInspect> {
    this.#enter('inspect', id, options);
    const inspect = containerInspectSchema.parse(rawInspect(this.#get('inspect', id)));
    return this.#alter === undefined ? inspect : this.#alter(inspect);
  }

  async list(filter: driver.ListFilter = {}, options?: driver.CallOptions): Promise<readonly driver.ContainerSummary[]> {
    this.#enter('list', 'containers', options);
    const wanted = Object.entries(filter.labels ?? {});
    return [...this.#containers.values()]
      .filter((container) => filter.all === true || container.state === 'running' || container.state === 'paused')
      .filter((container) =>
        wanted.every(([key, value]) =>
          value === null ? container.body.Labels?.[key] !== undefined : container.body.Labels?.[key] === value,
        ),
      )
      .map((container) => ({
        id: container.id,
        name: container.name,
        imageId: container.imageId,
        state: container.state,
        labels: { ...container.body.Labels },
        createdAtMs: container.createdAtMs,
      }));
  }

  async updateLimits(id: string, limits: driver.ContainerLimits, options?: driver.CallOptions): Promise<void> {
    this.#enter('updateLimits', id, options);
    const container = this.#get('update', id);
    container.body = { ...container.body, HostConfig: { ...container.body.HostConfig, ...limitsUpdate(limits) } };
  }

  async pause(id: string, options?: driver.CallOptions): Promise<void> {
    this.#enter('pause', id, options);
    this.#running('pause', id).state = 'paused';
  }

  async unpause(id: string, options?: driver.CallOptions): Promise<void> {
    this.#enter('unpause', id, options);
    this.#running('unpause', id).state = 'running';
  }

  async kill(id: string, options?: driver.CallOptions): Promise<void> {
    this.#enter('kill', id, options);
    this.endContainer(this.#get('kill', id).id, 137);
  }

  async remove(id: string, options: driver.CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    this.#enter('remove', id, options);
    const container = this.#find(id);
    if (container === undefined) return;
    if (container.state === 'running' || container.state === 'paused') {
      if (options.force !== true)
        throw new SandboxError('SANDBOX_FAILED', `Cannot remove container ${id}: the engine refused (409): it is running`);
      this.endContainer(container.id, 137);
    }
    this.#containers.delete(container.id);
  }

  async waitForEnd(id: string, options?: driver.CallOptions): Promise<driver.ContainerEnd> {
    this.#enter('waitForEnd', id, options);
    const container = this.#get('wait for', id);
    if (container.state === 'created' || container.state === 'exited') return { exitCode: container.exitCode, error: '' };
    return new Promise((resolve, reject) => {
      container.waiters.add(resolve);
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true });
    });
  }

  async importImage(tar: Readable, options: driver.ImportOptions): Promise<string> {
    this.#enter('importImage', options.repo, options);
    for await (const _chunk of tar) options.signal?.throwIfAborted();
    return this.addImage(`${options.repo}:${options.tag}`, imageChanges(options.changes ?? [])).id;
  }

  async buildImage(context: Readable, options: driver.BuildOptions, onProgress?: (line: string) => void): Promise<string> {
    this.#enter('buildImage', options.tag, options);
    for await (const _chunk of context) options.signal?.throwIfAborted();
    await followProgress([Buffer.from('{"stream":"Successfully built"}\n')] as unknown as AsyncIterable<unknown>, onProgress);
    return this.addImage(options.tag, { labels: { ...options.labels } }).id;
  }

  async inspectImage(name: string, options?: driver.CallOptions): Promise<driver.ImageDetails | null> {
    this.#enter('inspectImage', name, options);
    return this.#image(name) ?? null;
  }

  async tagImage(source: string, target: { readonly repo: string; readonly tag: string }, options?: driver.CallOptions): Promise<void> {
    this.#enter('tagImage', source, options);
    const image = this.#image(source);
    if (image === undefined) throw new SandboxError('NOT_FOUND', `Cannot tag image ${source}: No such image: ${source}`);
    this.#images.set(`${target.repo}:${target.tag}`, image);
  }

  async removeImage(name: string, options: driver.CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    this.#enter('removeImage', name, options);
    for (const [key, image] of this.#images) if (key === name || image.id === name) this.#images.delete(key);
  }

  #enter(method: keyof driver.ContainerDriver, subject: string, options: driver.CallOptions | undefined): void {
    options?.signal?.throwIfAborted();
    this.calls.push(`${method} ${subject}`);
    const failure = this.#failures.get(method);
    this.#failures.delete(method);
    if (failure !== undefined) throw failure;
  }

  #find(id: string): FakeContainer | undefined {
    return this.#containers.get(id) ?? [...this.#containers.values()].find((container) => container.name === id);
  }

  #get(verb: string, id: string): FakeContainer {
    const container = this.#find(id);
    if (container === undefined) throw new SandboxError('NOT_FOUND', `Cannot ${verb} container ${id}: No such container: ${id}`);
    return container;
  }

  #running(verb: string, id: string): FakeContainer {
    const container = this.#get(verb, id);
    if (container.state !== 'running' && container.state !== 'paused')
      throw new SandboxError('SANDBOX_FAILED', `Cannot ${verb} container ${id}: the engine refused (409): it is not running`);
    return container;
  }

  #image(name: string): driver.ImageDetails | undefined {
    return this.#images.get(name) ?? [...this.#images.values()].find((image) => image.id === name);
  }
}
