// The flags of `docker run` that ask for what a sandbox has, one for one. Pure but for the workspace it makes.

import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Limits } from 'cloister';

/** A sandbox's weight against the host's own services; it decides much on a busy machine. */
const CPU_SHARES_PER_CPU = 256;

export interface HardenedFlagsOptions {
  readonly packageRoot: string;
  /** The workspace is made in it. */
  readonly directory: string;
  readonly uid: number;
  readonly limits: Limits;
}

export async function hardenedFlags({ packageRoot, directory, uid, limits }: HardenedFlagsOptions): Promise<string[]> {
  const workspace = join(directory, 'workspace');
  await mkdir(workspace, { recursive: true });
  await chown(workspace, uid, uid);
  return [
    '--user',
    `${uid}:${uid}`,
    '--cap-drop',
    'ALL',
    '--security-opt',
    'no-new-privileges:true',
    '--security-opt',
    `seccomp=${join(packageRoot, 'seccomp', 'strict.json')}`,
    '--read-only',
    '--network',
    'none',
    '--ipc',
    'private',
    '--cgroupns',
    'private',
    '--memory',
    String(limits.memoryBytes),
    '--memory-swap',
    String(limits.memoryBytes),
    '--cpus',
    String(limits.cpus),
    '--cpu-shares',
    String(Math.round(limits.cpus * CPU_SHARES_PER_CPU)),
    '--pids-limit',
    String(limits.pids),
    '--oom-score-adj',
    '500',
    '--tmpfs',
    `/tmp:rw,exec,nosuid,nodev,mode=1777,size=${limits.tmpBytes}`,
    '--ulimit',
    'nofile=4096:16384',
    '--ulimit',
    'core=0',
    '--mount',
    `type=bind,src=${workspace},dst=/workspace`,
    '--workdir',
    '/workspace',
    '--log-driver',
    'none',
    '--no-healthcheck',
    '--entrypoint',
    '',
  ];
}
