// Where a private engine keeps its things and how it is started: paths, arguments, configuration file.
// Pure; knows nothing of processes.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { SandboxError } from '../../../client/protocol/errors.ts';

export interface EngineLayout {
  readonly directory: string;
  readonly socketPath: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly containerdSocket: string;
  readonly containerdConfig: string;
  readonly containerdPidFile: string;
  /** Name of the cgroup that holds every container of this engine and nothing else. */
  readonly cgroupParent: string;
}

/** Bytes of sun_path without its closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

export function engineLayout(stateDir: string): EngineLayout {
  const directory = path.join(path.resolve(stateDir), 'engine');
  const execRoot = path.join(directory, 'exec');
  const containerd = path.join(execRoot, 'containerd');
  const layout: EngineLayout = {
    directory,
    socketPath: path.join(directory, 'docker.sock'),
    dataRoot: path.join(directory, 'data'),
    execRoot,
    pidFile: path.join(directory, 'dockerd.pid'),
    configFile: path.join(directory, 'daemon.json'),
    logFile: path.join(directory, 'dockerd.log'),
    containerdSocket: path.join(containerd, 'containerd.sock'),
    containerdConfig: path.join(containerd, 'containerd.toml'),
    containerdPidFile: path.join(containerd, 'containerd.pid'),
    cgroupParent: `cloister-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`,
  };
  // The longest name a unix socket gets below the directory.
  const longest = Buffer.byteLength(`${layout.containerdSocket}.ttrpc`);
  if (longest > MAX_SOCKET_PATH_BYTES) {
    const spare = MAX_SOCKET_PATH_BYTES - (longest - Buffer.byteLength(path.resolve(stateDir)));
    throw new SandboxError(
      'INVALID_REQUEST',
      `Cannot use state directory ${stateDir}: its path is too long for the unix sockets below it (at most ${spare} bytes)`,
      {
        hint: `Choose a state directory whose absolute path has at most ${spare} bytes.`,
      },
    );
  }
  return layout;
}

export interface EngineFeatures {
  /** False where the data root lies on a file system that overlay cannot stand on. */
  readonly hasOverlay: boolean;
}

export function engineArguments(layout: EngineLayout, features: EngineFeatures): string[] {
  return [
    `--config-file=${layout.configFile}`,
    `--host=unix://${layout.socketPath}`,
    `--data-root=${layout.dataRoot}`,
    `--exec-root=${layout.execRoot}`,
    `--pidfile=${layout.pidFile}`,
    // No sandbox has a network device, so the engine gets none and touches neither firewall nor routing of the host.
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--ip-forward=false',
    '--ip-masq=false',
    '--userland-proxy=false',
    // Sandboxes outlive a crash of the engine.
    '--live-restore',
    '--exec-opt=native.cgroupdriver=cgroupfs',
    `--cgroup-parent=/${layout.cgroupParent}`,
    '--log-level=warn',
    ...(features.hasOverlay ? ['--storage-driver=overlay2'] : []),
  ];
}
