// Members of a fleet on one engine: daemons with state directories and labels of their own, one set of token keys, one Redis.

import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cloister, type ConnectOptions, type OpenOptions, type Sandbox, SandboxError } from '../../client/index.ts';
import { type MemberRecord, PlacementStore } from '../../daemon/fleet/placement-store.ts';
import { RedisLink } from '../../daemon/fleet/redis-link.ts';
import { AuditRecord } from '../../daemon/observe/audit-record.ts';
import { createLog } from '../../daemon/observe/log.ts';
import { auditPathOf } from '../../daemon/state-dir.ts';
import { eventually } from './eventually.ts';
import { startRedis, type TestRedis } from './redis-server.ts';
import { type SpawnedDaemon, spawnTestDaemon, startTestDaemon, type TestDaemon } from './test-daemon.ts';

/** Also while a new directory asks its members what they have. */
const isFull = (result: Sandbox | Error): boolean => result instanceof SandboxError && result.code === 'CAPACITY';

/** Short enough for a test to wait for its end, long enough for a loaded machine to renew it. */
const LEASE_MS = 2000;
const GRACE_MS = 2000;

export interface FleetOptions {
  readonly members: number;
  /** Member 0 is a process of its own, which can be killed. */
  readonly isFirstSpawned?: boolean;
  readonly config?: Readonly<Record<string, unknown>>;
  /** What one of them has differently. */
  readonly clusterOf?: (at: number, redisUrl: string) => { readonly redisUrl?: string; readonly advertiseUrl?: string };
}

export class TestFleet implements AsyncDisposable {
  readonly redis: TestRedis;
  readonly members: TestDaemon[] = [];
  readonly #options: FleetOptions;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #clients: Cloister[] = [];
  #process: SpawnedDaemon | null = null;
  #lastSession = 0;

  private constructor(redis: TestRedis, options: FleetOptions, keys: string) {
    this.redis = redis;
    this.#options = options;
    this.#config = { auth: { keys }, ...options.config };
  }

  static async start(options: FleetOptions): Promise<TestFleet> {
    const redis = await startRedis();
    const directories = await Promise.all(Array.from({ length: options.members }, () => mkdtemp(join(tmpdir(), 'cl-fl-'))));
    const fleet = new TestFleet(redis, options, join(directories[0] ?? '', 'keys'));
    for (const [at, stateDir] of directories.entries()) await fleet.#begin(at, stateDir);
    return fleet;
  }

  member(at: number): TestDaemon {
    const member = this.members[at];
    if (member === undefined) throw new Error(`the fleet has no member ${at}`);
    return member;
  }

  /** SIGKILL of member 0. */
  async crash(): Promise<void> {
    if (this.#process === null) throw new Error('member 0 is not a process of its own');
    await this.#process.crash();
  }

  /** A member that has ended, again, and under its address. */
  async restart(at: number): Promise<void> {
    const { stateDir, url } = this.member(at);
    await this.#begin(at, stateDir, url.replace('ws://', ''));
  }

  /** A client of a member. */
  async connect(at: number, tenant: string, options: Partial<ConnectOptions> = {}): Promise<Cloister> {
    const token = await this.member(0).token(tenant);
    const client = await Cloister.connect({ url: this.member(at).url, token, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Index of the member that has a sandbox. */
  ownerOf(sandbox: { readonly ownerUrl: string | undefined }): number {
    return this.members.findIndex(({ url }, at) =>
      [url.replace('ws', 'http'), this.#options.clusterOf?.(at, '').advertiseUrl].includes(sandbox.ownerUrl),
    );
  }

  /** A new session of the client that came to be at this member: as long as others are open elsewhere, it is the less loaded one. */
  async openAt(client: Cloister, at: number, options: Partial<OpenOptions> = {}): Promise<Sandbox> {
    const elsewhere: Sandbox[] = [];
    try {
      while (elsewhere.length < 6) {
        this.#lastSession += 1;
        const session = `s${this.#lastSession}`;
        const opened = await eventually(
          () => client.open({ ...options, session }).catch((error: Error) => error),
          (result) => !isFull(result),
        );
        if (opened instanceof Error) throw opened;
        if (this.ownerOf(opened) === at) return opened;
        elsewhere.push(opened);
      }
      throw new Error(`no session came to be at member ${at}`);
    } finally {
      for (const sandbox of elsewhere) await sandbox.close({ workspace: 'delete' });
    }
  }

  /** What the members tell each other of themselves. */
  records(): Promise<readonly MemberRecord[]> {
    return this.ask((store) => store.members());
  }

  /** The directory, asked by nobody of the fleet. */
  async ask<T>(question: (store: PlacementStore) => Promise<T>): Promise<T> {
    const link = new RedisLink({ url: this.redis.url, log: createLog({ level: 'silent', destination: process.stderr }) });
    link.start();
    await eventually(
      () => link.isUp,
      (isUp) => isUp,
    );
    const store = new PlacementStore({
      run: (script, args) => link.run(script, args),
      self: 'nobody',
      leaseMs: LEASE_MS,
      graceMs: GRACE_MS,
    });
    return await question(store).finally(() => link.close());
  }

  async audit(at: number): Promise<AuditRecord[]> {
    const text = await readFile(auditPathOf(this.member(at).stateDir), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => AuditRecord.parse(JSON.parse(line)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    // The first one last: it has the keys.
    for (const member of this.members.toReversed()) await member[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }

  async #begin(at: number, stateDir: string, listen?: string): Promise<void> {
    const redisUrl = this.redis.url;
    const cluster = { redisUrl, leaseMs: LEASE_MS, graceMs: GRACE_MS, ...this.#options.clusterOf?.(at, redisUrl) };
    const options = { stateDir, listen, config: { ...this.#config, cluster } };
    if (at === 0 && this.#options.isFirstSpawned === true) this.#process = this.members[at] = await spawnTestDaemon(options);
    else this.members[at] = await startTestDaemon(options);
  }
}
