// What the fake engine says of its containers and images. Knows nothing of calls.
import type * as driver from '../container/driver.ts';

type State = 'created' | 'running' | 'paused' | 'exited';

export interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly imageId: string;
  body: driver.ContainerCreateBody;
  state: State;
  pid: number;
  exitCode: number;
  readonly waiters: Set<(end: driver.ContainerEnd) => void>;
}

export function imageChanges(changes: readonly string[]): Partial<driver.ImageDetails> {
  const pairs = changes.filter((change) => change.startsWith('LABEL ')).map((change) => change.slice(6).split('=', 2) as [string, string]);
  const env = changes.filter((change) => change.startsWith('ENV ')).map((change) => change.slice(4));
  return { labels: Object.fromEntries(pairs), env };
}

// What an engine answers for a body: everything unsaid with the engine's own default.
export function rawInspect(container: FakeContainer): unknown {
  const { body } = container;
  const host = body.HostConfig;
  const entrypoint = body.Entrypoint ?? [];
  return {
    Id: container.id,
    Name: `/${container.name}`,
    Created: new Date(container.createdAtMs).toISOString(),
    Image: container.imageId,
    Path: entrypoint[0] ?? body.Cmd?.[0] ?? '',
    Args: [...entrypoint.slice(1), ...(body.Cmd ?? [])].slice(entrypoint.length === 0 ? 1 : 0),
    State: {
      Status: container.state,
      Running: container.state === 'running' || container.state === 'paused',
      Paused: container.state === 'paused',
      OOMKilled: false,
      Dead: false,
      Pid: container.pid,
      ExitCode: container.exitCode,
      Error: '',
    },
    Config: { Hostname: body.Hostname ?? container.id.slice(0, 12), Tty: false, OpenStdin: false, ...body },
    HostConfig: {
      Privileged: false,
      PublishAllPorts: false,
      ReadonlyRootfs: false,
      AutoRemove: false,
      IpcMode: 'private',
      NetworkMode: 'default',
      Runtime: 'runc',
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: 'json-file', Config: {} },
      ...host,
    },
    Mounts: (host.Mounts ?? [])
      .filter((mount) => mount.Type === 'bind')
      .map((mount) => ({
        Type: mount.Type,
        Source: mount.Source,
        Destination: mount.Target,
        RW: mount.ReadOnly !== true,
        Propagation: mount.BindOptions?.Propagation ?? 'rprivate',
      })),
    NetworkSettings: { Networks: { [host.NetworkMode ?? 'bridge']: { IPAddress: '', Gateway: '' } } },
  };
}
