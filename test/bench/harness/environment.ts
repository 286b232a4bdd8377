// Where a run happened: enough to know which runs may be compared. Reads the machine, changes nothing.

import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type Docker from 'dockerode';

const run = promisify(execFile);

export interface Environment {
  readonly at: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly engine: string;
  readonly engineStorage: string;
  readonly cgroup: string;
  readonly dockerCli: string;
  readonly bubblewrap: string;
  readonly commit: string;
  /** Of one, five and fifteen minutes when the run began. */
  readonly load: readonly number[];
}

export async function captureEnvironment(docker: Docker, packageRoot: string): Promise<Environment> {
  const [version, info] = [await docker.version(), (await docker.info()) as Record<string, unknown>];
  return {
    at: new Date().toISOString(),
    kernel: os.release(),
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cpus: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    node: process.version,
    engine: version.Version,
    engineStorage: String(info['Driver']),
    cgroup: `v${String(info['CgroupVersion'])} ${String(info['CgroupDriver'])}`,
    dockerCli: await says('docker', ['--version']),
    bubblewrap: await says('bwrap', ['--version']),
    commit: await says('git', ['-C', packageRoot, 'describe', '--always', '--dirty']),
    load: os.loadavg(),
  };
}

async function says(command: string, args: readonly string[]): Promise<string> {
  return run(command, [...args]).then(
    ({ stdout }) => stdout.trim(),
    () => 'absent',
  );
}
