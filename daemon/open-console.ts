// The console and what it asks for, wired. A part of the composition root.

import { join } from 'node:path';
import { ConsoleFiles } from './admin/console-files.ts';
import { diskUsage, HostReader } from './admin/host-reader.ts';
import { LiveSampler } from './admin/live-sampler.ts';
import type { Route } from './admin/route.ts';
import { liveRoutes } from './admin/routes-live.ts';
import { doctorSettings } from './doctor-settings.ts';
import type { Config } from './config.ts';
import { examine } from './doctor/doctor.ts';
import { gatherFacts } from './doctor/gather-facts.ts';
import type { AuditLog } from './observe/audit-log.ts';
import type { Clock } from './observe/clock.ts';
import type { SessionPool } from './session/pool.ts';
import type { WorkspaceKeeper } from './workspace/workspace-keeper.ts';

interface ConsoleParts {
  readonly config: Config;
  readonly pool: SessionPool;
  readonly spares: () => { readonly free: number; readonly wanted: number };
  readonly workspaces: WorkspaceKeeper;
  readonly audit: AuditLog;
  readonly packageRoot: string;
  readonly dockerHost: string | undefined;
  readonly arch: string;
  readonly version: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export interface OpenedConsole {
  readonly files: ConsoleFiles;
  readonly routes: readonly Route[];
  stop(): void;
}

export async function openConsole(parts: ConsoleParts): Promise<OpenedConsole> {
  const { config, pool, workspaces, audit, packageRoot, clock } = parts;
  const sampler = new LiveSampler({
    sessions: () => pool.sessions(),
    workspaceBytes: async ({ tenant, workspaceName }) => {
      const record = workspaces.named(tenant, workspaceName);
      return record === undefined || record.hostPath !== undefined ? null : (await workspaces.store.usage(record.id)).usedBytes;
    },
    disk: () => diskUsage(config.stateDir),
    host: new HostReader(),
    onRecord: (listener) => audit.onAppend(listener),
    clock,
  });
  const routes = liveRoutes({
    ...parts,
    sampler,
    maxSessions: config.pool.maxSessions,
    examine: async () =>
      examine(
        await gatherFacts({
          settings: doctorSettings(config, null),
          engineSocket: config.engine.socketPath,
          dockerHost: parts.dockerHost,
          seccompDir: join(packageRoot, 'seccomp'),
          platform: 'linux',
          arch: parts.arch,
          // It would not have come this far otherwise.
          isRoot: true,
          clock,
        }),
      ),
  });
  return { files: await ConsoleFiles.load(join(packageRoot, 'dist', 'console')), routes, stop: () => sampler.stop() };
}
