// The built daemon as a process on a state directory of its own, and what the kernel counts of it.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Scope } from './scope.ts';

const run = promisify(execFile);
const Ready = z.object({ url: z.string(), engine: z.string().startsWith('unix://') });
const TICKS_PER_SECOND = 100;

export class DaemonProcess {
  readonly url: string;
  readonly engineSocket: string;
  readonly stateDir: string;
  readonly pid: number;
  readonly #main: string;

  private constructor(main: string, stateDir: string, pid: number, ready: z.infer<typeof Ready>) {
    this.#main = main;
    this.pid = pid;
    this.stateDir = stateDir;
    this.url = ready.url;
    this.engineSocket = ready.engine.slice('unix://'.length);
  }

  /** Its API on a unix socket, as the peers reach the engine. */
  get localUrl(): string {
    return `unix:${join(this.stateDir, 'api.sock')}`;
  }

  /**
   * `nodeOptions` are for profilers, `settings` are CLOISTER_ variables; with `former` it takes over from that one, which is dead.
   * The scope ends it, with all its sandboxes and files.
   */
  static async start(
    packageRoot: string,
    scope: Scope,
    nodeOptions: readonly string[] = [],
    settings: Readonly<Record<string, string>> = {},
    former?: DaemonProcess,
  ): Promise<DaemonProcess> {
    const main = join(packageRoot, 'dist', 'daemon', 'main.js');
    const stateDir = former?.stateDir ?? (await mkdtemp(join(tmpdir(), 'cl-bench-')));
    if (former === undefined) scope.defer(() => rm(stateDir, { recursive: true, force: true }));
    const logPath = join(stateDir, 'daemon.log');
    const log = await open(logPath, 'w');
    const args = [...nodeOptions, main, 'serve', '--listen', '127.0.0.1:0', '--state-dir', stateDir, '--on-exit', 'close'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', log.fd], env: { ...process.env, ...settings } });
    await log.close();
    scope.defer(async () => {
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await once(child, 'exit');
    });
    const line = await firstLine(child);
    if (line === null) throw new Error(`Cannot start the daemon:\n${(await readFile(logPath, 'utf8')).slice(-2000)}`);
    return new DaemonProcess(main, stateDir, child.pid ?? 0, Ready.parse(JSON.parse(line)));
  }

  async token(tenant: string): Promise<string> {
    const { stdout } = await run(process.execPath, [this.#main, 'token', 'create', '--tenant', tenant, '--state-dir', this.stateDir]);
    return stdout.trim();
  }

  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** Seconds of processor time since it started. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8');
    // The second field may hold blanks and parentheses; after the last one the fields are plain numbers.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }
}

async function firstLine(child: ChildProcess): Promise<string | null> {
  if (child.stdout === null) return null;
  for await (const line of createInterface({ input: child.stdout })) return line;
  return null;
}
