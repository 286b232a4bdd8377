// A client of the engine on one unix socket, and nothing of what the process's environment says.

import Docker from 'dockerode';
import type { EngineAgent } from './engine-agent.ts';

/** dockerode would take host and time-out from DOCKER_HOST and its friends; every one of them is set here. */
export function connectDocker(socketPath: string, agent: EngineAgent): Docker {
  const settings = {
    socketPath,
    host: undefined,
    protocol: 'http' as const,
    timeout: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
  };
  return new Docker({ ...settings, agent } as Docker.DockerOptions);
}
