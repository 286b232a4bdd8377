// A container whose PID 1 is cloister-init and whose daemon is the test: the run directory, the workspace and the
// hardened `docker run`. Knows nothing of the protocol.

import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { residentBytes } from './host-view.ts';

const UID = 200_001;
const SECCOMP = join(import.meta.dirname, '../../seccomp/strict.json');
const run = promisify(execFile);

export interface InitContainerOptions {
  readonly nonce: Buffer;
  readonly pids?: number;
}

export interface InitRunOptions {
  /** Another binary than the one that set-up built. */
  readonly init?: string;
  /** More flags of `docker run`. */
  readonly args?: readonly string[];
  /** A program with its arguments that runs it. */
  readonly through?: readonly string[];
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

  async start(pids: number, { init, args = [], through = [] }: InitRunOptions = {}): Promise<void> {
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
      `${init ?? process.env['CLOISTER_TEST_INIT'] ?? ''}:/cloister-init:ro`,
      '-v',
      `${this.workspace}:/workspace`,
      ...args,
      '--entrypoint',
      through[0] ?? '/cloister-init',
      process.env['CLOISTER_TEST_IMAGE'] ?? '',
      ...(through.length === 0 ? [] : [...through.slice(1), '/cloister-init']),
    ]);
    setPriority(await this.#hostPid(), constants.priority.PRIORITY_HIGHEST);
  }

  /** Commands of all processes in the container, as the host's ps names them. */
  async commands(): Promise<readonly string[]> {
    const lines = (await docker(['top', this.#id, '-eo', 'pid,args'])).split('\n').slice(1);
    return lines.map((line) => line.trim().replace(/^\d+\s+/, ''));
  }

  /** Nanoseconds PID 1 ran and how often it was scheduled, so far. */
  async scheduled(): Promise<string> {
    return readFile(`/proc/${await this.#hostPid()}/schedstat`, 'utf8');
  }

  /** Bytes of memory that PID 1 has, with what it shares with its helpers. */
  async residentBytes(): Promise<number> {
    return residentBytes(await this.#hostPid());
  }

  /** Asks PID 1 to end, as the engine does, and waits for it. */
  async stop(): Promise<void> {
    await docker(['stop', '-t', '20', this.#id]);
  }

  async #hostPid(): Promise<number> {
    return Number(await docker(['inspect', '-f', '{{.State.Pid}}', this.#id]));
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
