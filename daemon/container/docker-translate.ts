// Between the Engine API's words and the driver's plain types.
import type { z } from 'zod';
import type { containerListSchema, imageInspectSchema, infoSchema } from './docker-replies.ts';
import type { ContainerHostConfig, ContainerLimits, ContainerSummary, EngineInfo, ImageDetails } from './driver.ts';

export function toEngineInfo(raw: z.infer<typeof infoSchema>): EngineInfo {
  return {
    engineId: raw.ID,
    serverVersion: raw.ServerVersion,
    operatingSystem: raw.OperatingSystem,
    kernelVersion: raw.KernelVersion,
    architecture: raw.Architecture,
    cgroupVersion: raw.CgroupVersion,
    cgroupDriver: raw.CgroupDriver,
    storageDriver: raw.Driver,
    rootDir: raw.DockerRootDir,
    runtimes: Object.keys(raw.Runtimes),
    defaultRuntime: raw.DefaultRuntime,
    securityOptions: raw.SecurityOptions,
    cpus: raw.NCPU,
    memoryBytes: raw.MemTotal,
    isLiveRestore: raw.LiveRestoreEnabled,
    canLimitMemory: raw.MemoryLimit,
    canLimitSwap: raw.SwapLimit,
    canLimitPids: raw.PidsLimit ?? false,
    canLimitCpu: raw.CpuCfsQuota ?? false,
    warnings: raw.Warnings,
  };
}

export function toContainerSummary(raw: z.infer<typeof containerListSchema>[number]): ContainerSummary {
  return {
    id: raw.Id,
    name: (raw.Names[0] ?? '').replace(/^\//, ''),
    imageId: raw.ImageID,
    state: raw.State,
    labels: raw.Labels,
    createdAtMs: raw.Created * 1000,
  };
}

export function toImageDetails(raw: z.infer<typeof imageInspectSchema>): ImageDetails {
  const config = raw.Config;
  return {
    id: raw.Id,
    repoTags: raw.RepoTags,
    repoDigests: raw.RepoDigests,
    architecture: raw.Architecture,
    os: raw.Os,
    sizeBytes: raw.Size,
    user: config?.User ?? '',
    env: config?.Env ?? [],
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    workingDir: config?.WorkingDir ?? '',
    labels: config?.Labels ?? {},
    volumes: Object.keys(config?.Volumes ?? {}),
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    hasHealthcheck: (config?.Healthcheck?.Test ?? []).some((word) => word !== 'NONE'),
  };
}

/** The part of a host configuration that these limits set. Swap equals memory, so that there is none. */
export function limitsUpdate(limits: ContainerLimits): Partial<ContainerHostConfig> {
  return {
    ...(limits.memoryBytes === undefined ? {} : { Memory: limits.memoryBytes, MemorySwap: limits.memoryBytes }),
    ...(limits.cpus === undefined ? {} : { NanoCpus: Math.round(limits.cpus * 1e9) }),
    ...(limits.cpuShares === undefined ? {} : { CpuShares: limits.cpuShares }),
    ...(limits.pids === undefined ? {} : { PidsLimit: limits.pids }),
  };
}
