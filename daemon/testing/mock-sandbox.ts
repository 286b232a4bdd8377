// A sandbox without a container: the daemon's own link, commands and files over the fake init. Confines nothing.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { WorkspaceRetention } from '../../client/protocol/session.ts';
import { ExecTable } from '../exec/exec-table.ts';
import type { SpoolStore } from '../exec/spool-store.ts';
import { SandboxFiles } from '../files/sandbox-files.ts';
import { ControlListener, newNonces } from '../link/control-listener.ts';
import { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import type { RunningSandbox, SandboxOrder } from '../session/running-sandbox.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import { FakeInit } from './fake-init.ts';
import type { Stand } from './fake-init-start.ts';

const START_LIMIT_MS = 20_000;

export interface MockSandboxOptions {
  readonly order: SandboxOrder;
  readonly receipt: Receipt;
  readonly workspaceId: string;
  readonly workspaces: WorkspaceKeeper;
  readonly secrets: SecretStore;
  readonly spools: SpoolStore;
  readonly stateDir: string;
  readonly shell: 'bash' | 'sh';
  /** PATH of its commands. */
  readonly path: string;
  readonly stand: Stand;
  readonly clock: Clock;
  readonly log: Log;
}

export class MockSandbox implements RunningSandbox {
  readonly id: SandboxId;
  readonly receipt: Receipt;
  readonly shell: 'bash' | 'sh';
  readonly egress = null;
  readonly files: SandboxFiles;
  readonly died: Promise<string>;
  readonly #options: MockSandboxOptions;
  readonly #link: SandboxLink;
  #execs!: ExecTable;
  #listener!: ControlListener;
  #init!: FakeInit;
  #isClosing = false;

  private constructor(options: MockSandboxOptions) {
    this.#options = options;
    const { order, receipt, shell, clock, log } = options;
    this.id = order.id;
    this.receipt = receipt;
    this.shell = shell;
    let reportDeath: (cause: string) => void = () => undefined;
    this.died = new Promise((resolve) => (reportDeath = resolve));
    this.#link = new SandboxLink({
      sandboxId: order.id,
      clock,
      log,
      onFailed: (reason) => {
        if (!this.#isClosing) reportDeath(reason);
      },
    });
    this.files = new SandboxFiles(this.#link);
  }

  static async start(options: MockSandboxOptions, signal: AbortSignal): Promise<MockSandbox> {
    const sandbox = new MockSandbox(options);
    await sandbox.#start(signal);
    return sandbox;
  }

  get execs(): ExecTable {
    return this.#execs;
  }

  env(): Readonly<Record<string, string>> {
    const { order, path, secrets } = this.#options;
    const home = this.#workspace();
    return { PATH: path, LANG: 'C.UTF-8', HOME: home, TMPDIR: '/tmp', ...secrets.find(this.id)?.placeholders(), ...order.env };
  }

  usage(): null {
    return null;
  }

  dial(port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.#link.dial(port, signal);
  }

  async close(workspace: WorkspaceRetention, reason: string, by = 'session:close'): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { workspaces, workspaceId } = this.#options;
    await this.#init[Symbol.asyncDispose]();
    this.#execs.sandboxRemoved(by, reason);
    this.#link.close(reason);
    await this.#listener.close();
    await this.#execs.destroy();
    await rm(this.#runDir(), { recursive: true, force: true });
    if (workspace === 'delete') await workspaces.remove(workspaceId);
    else await workspaces.release(workspaceId);
  }

  async saveLife(): Promise<void> {
    // There is no next daemon.
  }

  async setPolicy(): Promise<void> {
    // Nothing here enforces one.
  }

  async pause(): Promise<void> {
    // Its commands go on: the fake init has no clock to stop.
  }

  async resume(): Promise<void> {
    // See pause.
  }

  detach(): Promise<void> {
    return this.close('keep', 'the daemon of the test stops');
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { order, secrets, spools, workspaces, workspaceId, stateDir, stand, clock, log } = this.#options;
    await mkdir(this.#runDir(), { recursive: true });
    await mkdir(join(stateDir, 'sandboxes'), { recursive: true });
    await secrets.adopt(this.id);
    workspaces.hold(workspaceId);
    this.#execs = await ExecTable.open({
      sandboxId: this.id,
      link: this.#link,
      spools,
      journalPath: join(stateDir, 'sandboxes', `${this.id}.execs.jsonl`),
      clock,
      log,
      maxRunning: order.policy.limits.execs,
      filters: secrets.filters(this.id),
      complete: (draft) => workspaces.history.complete(workspaceId, draft),
    });
    const nonces = newNonces();
    const socketPath = join(this.#runDir(), 'control.sock');
    this.#listener = await ControlListener.open({ socketPath, nonces, saveNonces: async () => undefined, link: this.#link, clock, log });
    this.#init = new FakeInit({ socketPath, nonce: Buffer.from(nonces.current, 'hex'), workspace: this.#workspace(), stand });
    this.#init.run();
    await this.#link.waitUntilUp({ timeoutMs: START_LIMIT_MS, signal });
  }

  #workspace(): string {
    const { workspaces, workspaceId } = this.#options;
    return workspaces.place(workspaceId).path;
  }

  #runDir(): string {
    return join(this.#options.stateDir, 'run', this.id.slice('sb_'.length));
  }
}
