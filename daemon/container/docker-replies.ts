// What the Engine API answers, parsed and never cast. Lists and maps the engine answers as null become empty,
// unknown keys pass through. Knows nothing of how a reply was fetched nor of what Cloister asked for.
import { z } from 'zod';

const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
const map = <T extends z.ZodType>(item: T) =>
  z
    .record(z.string(), item)
    .nullish()
    .transform((value) => value ?? {});
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const count = z
  .number()
  .nullish()
  .transform((value) => value ?? 0);

const healthcheckSchema = z
  .looseObject({ Test: list(z.string()) })
  .nullish()
  .transform((value) => value ?? null);

const containerConfigSchema = z.looseObject({
  Hostname: text,
  User: text,
  Env: list(z.string()),
  Entrypoint: list(z.string()),
  Cmd: list(z.string()),
  WorkingDir: text,
  Image: text,
  Labels: map(z.string()),
  Volumes: map(z.unknown()),
  ExposedPorts: map(z.unknown()),
  Healthcheck: healthcheckSchema,
  Tty: z.boolean(),
  OpenStdin: z.boolean(),
});

const hostConfigSchema = z.looseObject({
  Privileged: z.boolean(),
  PublishAllPorts: z.boolean(),
  ReadonlyRootfs: z.boolean(),
  AutoRemove: z.boolean(),
  CapAdd: list(z.string()),
  CapDrop: list(z.string()),
  SecurityOpt: list(z.string()),
  Binds: list(z.string()),
  VolumesFrom: list(z.string()),
  Mounts: list(z.looseObject({ Type: z.string(), Source: text, Target: z.string(), ReadOnly: z.boolean().optional() })),
  Devices: list(z.looseObject({})),
  DeviceRequests: list(z.looseObject({})),
  DeviceCgroupRules: list(z.string()),
  GroupAdd: list(z.string()),
  Links: list(z.string()),
  Dns: list(z.string()),
  ExtraHosts: list(z.string()),
  PidMode: text,
  IpcMode: text,
  UTSMode: text,
  UsernsMode: text,
  CgroupnsMode: text,
  NetworkMode: text,
  Cgroup: text,
  CgroupParent: text,
  Runtime: text,
  PortBindings: map(z.unknown()),
  Tmpfs: map(z.string()),
  Sysctls: map(z.string()),
  Ulimits: list(z.looseObject({ Name: z.string(), Soft: z.number(), Hard: z.number() })),
  PidsLimit: count,
  Memory: count,
  MemorySwap: count,
  NanoCpus: count,
  CpuShares: count,
  CpuQuota: count,
  CpuPeriod: count,
  OomScoreAdj: count,
  ShmSize: count,
  OomKillDisable: z.boolean().nullish(),
  // null means "the engine's default list", which is not the same as an empty one.
  MaskedPaths: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? null),
  ReadonlyPaths: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? null),
  RestartPolicy: z.looseObject({ Name: text, MaximumRetryCount: count }),
  LogConfig: z.looseObject({ Type: text, Config: map(z.string()) }),
});

/** GET /containers/ID/json, everything a verifier of the sandbox compares. */
export const containerInspectSchema = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  Created: z.string(),
  /** Id of the image, not its name. */
  Image: z.string(),
  Path: text,
  Args: list(z.string()),
  AppArmorProfile: text,
  RestartCount: count,
  State: z.looseObject({
    Status: z.string(),
    Running: z.boolean(),
    Paused: z.boolean(),
    OOMKilled: z.boolean(),
    Dead: z.boolean(),
    Pid: z.number(),
    ExitCode: z.number(),
    Error: text,
    StartedAt: text,
    FinishedAt: text,
  }),
  Config: containerConfigSchema,
  HostConfig: hostConfigSchema,
  Mounts: list(z.looseObject({ Type: z.string(), Source: text, Destination: z.string(), Mode: text, RW: z.boolean(), Propagation: text })),
  NetworkSettings: z.looseObject({ Networks: map(z.looseObject({ IPAddress: text, Gateway: text })) }),
});
export type ContainerInspect = z.infer<typeof containerInspectSchema>;

export const containerListSchema = z.array(
  z.looseObject({
    Id: z.string(),
    Names: list(z.string()),
    ImageID: z.string(),
    State: z.string(),
    Labels: map(z.string()),
    Created: z.number(),
  }),
);

export const imageInspectSchema = z.looseObject({
  Id: z.string(),
  RepoTags: list(z.string()),
  RepoDigests: list(z.string()),
  Architecture: z.string(),
  Os: z.string(),
  Size: z.number(),
  // A `scratch`-like image may carry no configuration at all.
  Config: z
    .looseObject({
      User: text,
      Env: list(z.string()),
      Entrypoint: list(z.string()),
      Cmd: list(z.string()),
      WorkingDir: text,
      Labels: map(z.string()),
      Volumes: map(z.unknown()),
      ExposedPorts: map(z.unknown()),
      Healthcheck: healthcheckSchema,
    })
    .nullish(),
});

export const imageListSchema = z.array(z.looseObject({ RepoTags: list(z.string()) }));

export const versionSchema = z.looseObject({
  Version: z.string(),
  ApiVersion: z.string(),
  MinAPIVersion: text,
  Os: z.string(),
  Arch: z.string(),
  KernelVersion: text,
});

export const infoSchema = z.looseObject({
  ID: text,
  ServerVersion: z.string(),
  Driver: z.string(),
  CgroupDriver: text,
  CgroupVersion: text,
  Runtimes: map(z.unknown()),
  DefaultRuntime: text,
  SecurityOptions: list(z.string()),
  KernelVersion: text,
  OperatingSystem: text,
  Architecture: z.string(),
  NCPU: z.number(),
  MemTotal: z.number(),
  DockerRootDir: z.string(),
  LiveRestoreEnabled: z.boolean(),
  MemoryLimit: z.boolean(),
  SwapLimit: z.boolean(),
  PidsLimit: z.boolean().nullish(),
  CpuCfsQuota: z.boolean().nullish(),
  Warnings: list(z.string()),
});

/** One line of the progress stream of an import or a build. */
export const progressLineSchema = z.looseObject({
  stream: z.string().optional(),
  status: z.string().optional(),
  error: z.string().optional(),
  errorDetail: z.looseObject({ message: z.string().optional() }).optional(),
});

export const waitSchema = z.looseObject({
  StatusCode: z.number(),
  Error: z.looseObject({ Message: text }).nullish(),
});

export const createReplySchema = z.looseObject({ id: z.string().regex(/^[0-9a-f]{12,64}$/) });
