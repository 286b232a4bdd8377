// A container whose PID 1 is cloister-init and whose daemon is the test: the run directory, the workspace and the
// hardened `docker run`. Knows nothing of the protocol.

import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const UID = 200_001;
const SECCOMP = join(import.meta.dirname, '../../seccomp/strict.json');
const run = promisify(execFile);

export interface InitContainerOptions {
  readonly nonce: Buffer;
  readonly pids?: number;
}

export class InitContainer implements AsyncDisposable {
  readonly directory: string;
  #id = '';

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** The directories exist and hold the nonce; the container starts with `start`, once something listens. */
  static async prepare(options: InitContainerOptions): Promise<InitContainer> {
    const container = new InitContainer(await mkdtemp(join(tmpdir(), 'cl-init-')));
    await chmod(container.directory, 0o755);
    await mkdir(container.runDir, { mode: 0o755 });
    await mkdir(container.workspace);
    await chown(container.workspace, UID, UID);
    await writeFile(join(container.runDir, 'nonce'), options.nonce, { mode: 0o644 });
    return container;
  }

  get runDir(): string {
    return join(this.directory, 'run');
  }

  get workspace(): string {
    return join(this.directory, 'workspace');
  }

  async start(pids: number): Promise<void> {
    const init = process.env['CLOISTER_TEST_INIT'] ?? '';
    this.#id = await docker([
      'run',
      '-d',
      '--network',
      'none',
      '--read-only',
      '--cap-drop',
      'ALL',
      '--user',
      `${UID}:${UID}`,
      '--security-opt',
      'no-new-privileges',
      '--security-opt',
      `seccomp=${SECCOMP}`,
      '--pids-limit',
      String(pids),
      '--memory',
      '512m',
      '--memory-swap',
      '512m',
      '--oom-score-adj',
      '500',
      '--ulimit',
      'nofile=4096:4096',
      '--tmpfs',
      '/tmp:rw,nosuid,nodev,size=16m,mode=1777',
      '--log-driver',
      'none',
      '-v',
      `${this.runDir}:/run/cloister:ro`,
      '-v',
      `${init}:/cloister-init:ro`,
      '-v',
      `${this.workspace}:/workspace`,
      '--entrypoint',
      '/cloister-init',
      process.env['CLOISTER_TEST_IMAGE'] ?? '',
    ]);
  }

  /** Commands of all processes in the container, as the host's ps names them. */
  async commands(): Promise<readonly string[]> {
    const lines = (await docker(['top', this.#id, '-eo', 'pid,args'])).split('\n').slice(1);
    return lines.map((line) => line.trim().replace(/^\d+\s+/, ''));
  }

  /** Nanoseconds PID 1 ran and how often it was scheduled, so far. */
  async scheduled(): Promise<string> {
    const pid = await docker(['inspect', '-f', '{{.State.Pid}}', this.#id]);
    return readFile(`/proc/${pid}/schedstat`, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#id !== '') await docker(['rm', '-f', this.#id]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function docker(args: readonly string[]): Promise<string> {
  const socket = process.env['CLOISTER_TEST_ENGINE'] ?? '/var/run/docker.sock';
  const { stdout } = await run('docker', [...args], { env: { PATH: process.env['PATH'], DOCKER_HOST: `unix://${socket}` } });
  return stdout.trim();
}
