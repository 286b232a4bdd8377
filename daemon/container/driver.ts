// What Cloister needs of a container engine, in plain types. Owns the interface and the create body;
// knows nothing of dockerode, of sessions or of what a sandbox should look like.
import type { Readable } from 'node:stream';
import type { ContainerInspect } from './docker-replies.ts';

export type { ContainerInspect } from './docker-replies.ts';

/** Options of every call. A call that passes its time-out fails with ENGINE_UNAVAILABLE. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface ContainerMount {
  readonly Type: 'bind' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: {
    readonly Propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';
    readonly NonRecursive?: boolean;
  };
  readonly TmpfsOptions?: { readonly SizeBytes?: number; readonly Mode?: number };
}

export interface ContainerHostConfig {
  readonly Mounts?: readonly ContainerMount[];
  readonly Tmpfs?: Readonly<Record<string, string>>;
  readonly NetworkMode?: string;
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly AutoRemove?: boolean;
  readonly Init?: boolean;
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly SecurityOpt?: readonly string[];
  readonly PidMode?: string;
  readonly IpcMode?: string;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  readonly CgroupnsMode?: string;
  readonly CgroupParent?: string;
  readonly Runtime?: string;
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly NanoCpus?: number;
  readonly CpuShares?: number;
  readonly PidsLimit?: number;
  readonly OomScoreAdj?: number;
  readonly OomKillDisable?: boolean;
  readonly ShmSize?: number;
  readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly MaskedPaths?: readonly string[];
  readonly ReadonlyPaths?: readonly string[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly RestartPolicy?: { readonly Name: string; readonly MaximumRetryCount?: number };
  readonly LogConfig?: { readonly Type: string; readonly Config?: Readonly<Record<string, string>> };
}

/** Body of POST /containers/create, the part of the Engine API that a sandbox uses. */
export interface ContainerCreateBody {
  readonly Image: string;
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly NetworkDisabled?: boolean;
  readonly Healthcheck?: { readonly Test: readonly string[] };
  readonly Volumes?: Readonly<Record<string, Readonly<Record<string, never>>>>;
  readonly StopSignal?: string;
  readonly HostConfig: ContainerHostConfig;
}

export interface EngineVersion {
  readonly version: string;
  readonly apiVersion: string;
  readonly minApiVersion: string;
  readonly os: string;
  readonly arch: string;
  readonly kernelVersion: string;
}

export interface EngineInfo {
  readonly engineId: string;
  readonly serverVersion: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  readonly architecture: string;
  /** Empty when the engine is too old to say. */
  readonly cgroupVersion: string;
  readonly cgroupDriver: string;
  readonly storageDriver: string;
  readonly rootDir: string;
  readonly runtimes: readonly string[];
  readonly defaultRuntime: string;
  /** As the engine spells them, for example `name=seccomp,profile=default`, `name=userns`, `name=rootless`. */
  readonly securityOptions: readonly string[];
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly isLiveRestore: boolean;
  readonly canLimitMemory: boolean;
  readonly canLimitSwap: boolean;
  readonly canLimitPids: boolean;
  readonly canLimitCpu: boolean;
  readonly warnings: readonly string[];
}

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  /** created, running, paused, restarting, removing, exited or dead. */
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface ContainerLimits {
  /** Swap is set to the same figure, so that a sandbox has none. */
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly cpuShares?: number | undefined;
  readonly pids?: number | undefined;
}

export interface ImageDetails {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly architecture: string;
  readonly os: string;
  readonly sizeBytes: number;
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Paths the image declares as VOLUME. */
  readonly volumes: readonly string[];
  readonly exposedPorts: readonly string[];
  readonly hasHealthcheck: boolean;
}

export interface ListFilter {
  /** Label to value; null asks only for the label's presence. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
  /** Containers that do not run, too (default: running and paused ones only). */
  readonly all?: boolean | undefined;
}

export interface ImportOptions extends CallOptions {
  readonly repo: string;
  readonly tag: string;
  /** Dockerfile instructions (ENV, LABEL, CMD, WORKDIR ...) applied to the image. */
  readonly changes?: readonly string[] | undefined;
}

export interface BuildOptions extends CallOptions {
  readonly tag: string;
  readonly dockerfile?: string | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Network of the build's steps, for example `host` on an engine without a bridge. */
  readonly networkMode?: string | undefined;
  readonly hasCache?: boolean | undefined;
}

export interface ContainerEnd {
  readonly exitCode: number;
  /** Why the engine could not wait for it properly; empty when it could. */
  readonly error: string;
}

/**
 * One container engine. Failures are SandboxErrors: ENGINE_UNAVAILABLE when it cannot be reached or does not answer in time,
 * NOT_FOUND for a container or image that does not exist, SANDBOX_FAILED when it refuses. Nothing is retried except
 * where a method says so.
 */
export interface ContainerDriver {
  /** Where the engine listens, `unix:///path/to/docker.sock`. */
  readonly endpoint: string;
  ping(options?: CallOptions): Promise<void>;
  version(options?: CallOptions): Promise<EngineVersion>;
  info(options?: CallOptions): Promise<EngineInfo>;
  /** Creates, does not start; answers the full container id. */
  createContainer(body: ContainerCreateBody, name: string, options?: CallOptions): Promise<string>;
  start(id: string, options?: CallOptions): Promise<void>;
  inspect(id: string, options?: CallOptions): Promise<ContainerInspect>;
  list(filter?: ListFilter, options?: CallOptions): Promise<readonly ContainerSummary[]>;
  updateLimits(id: string, limits: ContainerLimits, options?: CallOptions): Promise<void>;
  /** Retries for at most 2 s while the engine answers 409 right after an unpause; pausing a paused one is done. */
  pause(id: string, options?: CallOptions): Promise<void>;
  /** Retries like pause; unpausing a running one is done. */
  unpause(id: string, options?: CallOptions): Promise<void>;
  /** SIGKILL to everything in the container; one that does not run is done. */
  kill(id: string, options?: CallOptions): Promise<void>;
  /** Answers once it is gone; one that does not exist is done. With `force` a running one is killed first. */
  remove(id: string, options?: CallOptions & { readonly force?: boolean | undefined }): Promise<void>;
  /** Waits without a time-out of its own until the container does not run any more. */
  waitForEnd(id: string, options?: CallOptions): Promise<ContainerEnd>;
  /** A root file system as a tar stream becomes the image `repo:tag`; answers its id. */
  importImage(tar: Readable, options: ImportOptions): Promise<string>;
  /** Builds a Dockerfile from a tar stream of its context; answers the image's id. */
  buildImage(context: Readable, options: BuildOptions, onProgress?: (line: string) => void): Promise<string>;
  inspectImage(name: string, options?: CallOptions): Promise<ImageDetails | null>;
  tagImage(source: string, target: { readonly repo: string; readonly tag: string }, options?: CallOptions): Promise<void>;
  /** One that does not exist is done. */
  removeImage(name: string, options?: CallOptions & { readonly force?: boolean | undefined }): Promise<void>;
}

/** What adding images takes of an engine besides. Failures as above. */
export interface ImageDriver {
  /** Loads an archive of `docker save`; which images come of it is said by the references in it. */
  loadImage(archive: Readable, options: CallOptions, onProgress: (line: string) => void): Promise<void>;
  /** ENGINE_UNAVAILABLE when the engine cannot reach the registry, NOT_FOUND when that does not have it. */
  pullImage(reference: string, options: CallOptions, onProgress: (line: string) => void): Promise<void>;
  /** The file system of a container that need not run, as tar, while `use` reads it. */
  exportContainer<T>(id: string, options: CallOptions, use: (tar: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T>;
  /** References `repository:tag` that the engine has. */
  tagsOf(repository: string, options?: CallOptions): Promise<readonly string[]>;
}
