// A daemon on an engine of its own, and what befalls the two: kill -9, an engine that stands still, containers that are gone.
// Owns both processes; knows nothing of what the tenants do meanwhile.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPrivateEngine, type PrivateEngine } from '../../daemon/container/engine/private-engine.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { pick } from '../support/random-from.ts';
import { freePort } from '../support/tcp-relay.ts';
import { spawnTestDaemon, type SpawnedDaemon } from '../support/test-daemon.ts';

export const FAULTS = ['kill the daemon', 'kill a container', 'pause the engine', 'kill the daemon while the engine stands still'] as const;
type Fault = (typeof FAULTS)[number];
const LONGEST_PAUSE_MS = 2000;

export interface ShakenHostOptions {
  readonly config: Readonly<Record<string, unknown>>;
  readonly random: () => number;
}

export class ShakenHost implements AsyncDisposable {
  readonly #options: ShakenHostOptions;
  readonly #engine: PrivateEngine;
  readonly #engineDir: string;
  readonly #listen: string;
  #daemon: SpawnedDaemon;
  /** How often the daemon was killed. */
  crashes = 0;
  readonly befallen: Fault[] = [];
  /** Sandboxes whose container was killed. */
  readonly killed = new Set<string>();
  /** In an order that chance gave. */
  #coming: Fault[] = [];

  private constructor(options: ShakenHostOptions, engine: PrivateEngine, engineDir: string, listen: string, daemon: SpawnedDaemon) {
    this.#options = options;
    this.#engine = engine;
    this.#engineDir = engineDir;
    this.#listen = listen;
    this.#daemon = daemon;
  }

  static async open(options: ShakenHostOptions): Promise<ShakenHost> {
    const engineDir = await mkdtemp(join(tmpdir(), 'cl-load-'));
    const engine = await startPrivateEngine({ stateDir: engineDir, log: createLog({ level: 'warn', destination: process.stderr }) });
    try {
      const listen = `127.0.0.1:${await freePort()}`;
      const daemon = await spawnTestDaemon({ config: options.config, engine: engine.socketPath, listen });
      return new ShakenHost(options, engine, engineDir, listen, daemon);
    } catch (error) {
      await engine.stop();
      await rm(engineDir, { recursive: true, force: true });
      throw error;
    }
  }

  get daemon(): SpawnedDaemon {
    return this.#daemon;
  }

  /** Something happens to the host, each kind as often as the others; over when the daemon is there again. */
  async shake(sandboxes: readonly string[]): Promise<void> {
    const { random } = this.#options;
    if (this.#coming.length === 0) this.#coming = [...FAULTS].sort(() => random() - 0.5);
    const fault = this.#coming.pop() ?? FAULTS[0];
    this.befallen.push(fault);
    if (fault === 'kill the daemon') await this.#crash();
    else if (fault === 'kill a container') await this.#killContainer(sandboxes);
    else await this.#pauseEngine(fault === 'pause the engine' ? async () => undefined : () => this.#kill());
    if (fault === 'kill the daemon while the engine stands still') await this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    await this.#engine.stop();
    await rm(this.#engineDir, { recursive: true, force: true });
  }

  async #crash(): Promise<void> {
    await this.#kill();
    await sleep(this.#options.random() * LONGEST_PAUSE_MS);
    await this.#start();
  }

  async #kill(): Promise<void> {
    this.crashes += 1;
    await this.#daemon.crash();
  }

  async #start(): Promise<void> {
    const { stateDir } = this.#daemon;
    const { config } = this.#options;
    this.#daemon = await spawnTestDaemon({ config, stateDir, engine: this.#engine.socketPath, listen: this.#listen });
  }

  async #killContainer(sandboxes: readonly string[]): Promise<void> {
    if (sandboxes.length === 0) return;
    const id = pick(this.#options.random, sandboxes);
    this.killed.add(id);
    // It may have been closed meanwhile.
    await this.#daemon.driver.remove(`cloister-${id}`, { force: true }).catch(() => undefined);
  }

  async #pauseEngine(meanwhile: () => Promise<void>): Promise<void> {
    process.kill(this.#engine.pid, 'SIGSTOP');
    try {
      await sleep(this.#options.random() * LONGEST_PAUSE_MS);
      await meanwhile();
    } finally {
      process.kill(this.#engine.pid, 'SIGCONT');
    }
  }
}
