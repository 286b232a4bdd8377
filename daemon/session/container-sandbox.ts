// A sandbox that is a container: its control socket, link, commands and files, and the way to take it all away.
// Owns one container's parts; the order of making them is the factory's.

import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { EgressDecision } from '../../client/protocol/exec.ts';
import type { Receipt } from '../../client/protocol/receipt.ts';
import type { WorkspaceRetention } from '../../client/protocol/session.ts';
import type { ContainerDriver } from '../container/driver.ts';
import { OomCounter } from '../container/oom-counter.ts';
import type { EgressProcess } from '../egress/egress-process.ts';
import { SandboxEgress } from '../egress/sandbox-egress.ts';
import { ExecTable } from '../exec/exec-table.ts';
import type { SpoolStore } from '../exec/spool-store.ts';
import { SandboxFiles } from '../files/sandbox-files.ts';
import { ControlListener } from '../link/control-listener.ts';
import { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import type { RuntimeDirs } from '../workspace/runtime-dirs.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import type { Confirmation } from './confirmations.ts';
import type { RunningSandbox } from './running-sandbox.ts';
import type { SandboxRecord, SandboxRecords } from './sandbox-record.ts';

export interface ContainerSandboxOptions {
  readonly record: SandboxRecord;
  readonly driver: ContainerDriver;
  readonly stateDir: string;
  readonly runtimeDirs: RuntimeDirs;
  readonly workspaces: WorkspaceKeeper;
  readonly records: SandboxRecords;
  readonly spools: SpoolStore;
  readonly egress: EgressProcess;
  readonly onEgress: (record: SandboxRecord, decision: EgressDecision) => void;
  readonly onAsk: (record: SandboxRecord, decision: EgressDecision) => Promise<Confirmation>;
  readonly clock: Clock;
  readonly log: Log;
}

export class ContainerSandbox implements RunningSandbox {
  readonly id: SandboxId;
  readonly link: SandboxLink;
  readonly died: Promise<string>;
  readonly #options: ContainerSandboxOptions;
  readonly #stopWatching = new AbortController();
  #record: SandboxRecord;
  #listener: ControlListener | null = null;
  #execs: ExecTable | null = null;
  #files: SandboxFiles | null = null;
  #egress: SandboxEgress | null = null;
  #oom: OomCounter | null = null;
  #isClosing = false;
  #reportDeath: (cause: string) => void = () => undefined;

  constructor(options: ContainerSandboxOptions) {
    this.#options = options;
    this.#record = options.record;
    this.id = options.record.id;
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve;
    });
    this.link = new SandboxLink({ sandboxId: this.id, clock: options.clock, log: options.log, onFailed: (reason) => this.#died(reason) });
  }

  get receipt(): Receipt {
    if (this.#record.receipt === null) throw new SandboxError('INTERNAL', `Cannot show the receipt of ${this.id}: it was never handed out`);
    return this.#record.receipt;
  }

  get shell(): 'bash' | 'sh' {
    return this.#record.shell;
  }

  env(execId: string): Readonly<Record<string, string>> {
    return { ...this.#record.baseEnv, ...this.#egress?.env(execId), ...this.#record.env };
  }

  get egress(): SandboxEgress | null {
    return this.#egress;
  }

  get execs(): ExecTable {
    if (this.#execs === null) throw new SandboxError('INTERNAL', `Cannot use ${this.id}: it is not started`);
    return this.#execs;
  }

  get files(): SandboxFiles {
    this.#files ??= new SandboxFiles(this.link);
    return this.#files;
  }

  dial(port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.link.dial(port, signal);
  }

  /** Opens the sockets; before the container starts, or while one of an earlier daemon runs. */
  async listen(): Promise<void> {
    const { stateDir, runtimeDirs, spools, clock, log } = this.#options;
    this.#execs = await ExecTable.open({
      sandboxId: this.id,
      link: this.link,
      spools,
      journalPath: join(stateDir, 'sandboxes', `${this.id}.execs.jsonl`),
      clock,
      log,
      maxRunning: this.#record.policy.limits.execs,
      readOomKills: () => this.#oom?.read() ?? null,
      complete: (draft) => this.#egress?.complete(draft) ?? draft,
    });
    await this.#openEgress();
    this.#listener = await ControlListener.open({
      socketPath: join(runtimeDirs.slot(this.#record.slot).dir, 'control.sock'),
      nonces: this.#record.nonces,
      saveNonces: (nonces) => this.#save({ nonces }),
      onFirstHello: () => runtimeDirs.removeNonce(this.#record.slot),
      link: this.link,
      clock,
      log,
    });
  }

  /** The engine has made the container; its end is watched from here on. */
  created(containerId: string): void {
    this.#record = { ...this.#record, containerId };
  }

  async watch(): Promise<void> {
    const { driver, log } = this.#options;
    const { containerId } = this.#record;
    if (containerId === null) return;
    this.#oom = await OomCounter.open(driver, containerId);
    driver.waitForEnd(containerId, { signal: this.#stopWatching.signal }).then(
      () => this.#died('its container ended'),
      (error: unknown) => {
        // The link still tells when the sandbox dies; what is lost is only how fast that is known.
        if (!this.#stopWatching.signal.aborted) log.warn({ sandboxId: this.id, err: error }, 'container not watched any more');
      },
    );
  }

  /** The receipt matches: from now on it may be used, and the next daemon finds it. */
  async ready(receipt: Receipt, shell: 'bash' | 'sh'): Promise<void> {
    await Promise.all([this.watch(), this.#save({ receipt, shell })]);
  }

  async close(workspace: WorkspaceRetention, reason: string): Promise<void> {
    const { driver, runtimeDirs, workspaces, records, log } = this.#options;
    this.#isClosing = true;
    this.#stopWatching.abort();
    try {
      // The name, because a crash may have come between making the container and recording its id.
      await driver.remove(this.#record.containerId ?? `cloister-${this.id}`, { force: true });
      this.#execs?.sandboxRemoved('session:close', reason);
    } finally {
      this.link.close(reason);
      await this.#listener?.close();
      await this.#egress?.close();
    }
    await this.#execs?.destroy();
    this.#oom?.close();
    await runtimeDirs.removeSlot(this.#record.slot);
    if (workspace === 'delete') await workspaces.remove(this.#record.workspaceId);
    await records.remove(this.id);
    log.info({ sandboxId: this.id, reason, workspace }, 'sandbox closed');
  }

  saveLife(life: { readonly expiresAtMs: number | null; readonly idleMs: number }): Promise<void> {
    return this.#save(life);
  }

  async detach(): Promise<void> {
    this.#isClosing = true;
    this.#stopWatching.abort();
    await this.#execs?.close();
    this.#oom?.close();
    await this.#listener?.close();
    await this.#egress?.close();
    this.link.detach();
  }

  async setPolicy(policy: GrantedPolicy): Promise<void> {
    await this.#save({ policy });
    this.#egress?.setPolicy(policy.egress);
  }

  /** Without network in the profile there is no socket, and nothing that a policy could open. */
  async #openEgress(): Promise<void> {
    const { egress, runtimeDirs, clock, onEgress, onAsk } = this.#options;
    if (this.#record.policy.profile.network === 'none') return;
    this.#egress = await SandboxEgress.open({
      sandboxId: this.id,
      socketPath: join(runtimeDirs.slot(this.#record.slot).dir, 'egress.sock'),
      policy: this.#record.policy.egress,
      process: egress,
      clock,
      stateOf: (execId) => this.#execs?.get(execId)?.state ?? null,
      onDecision: (decision) => onEgress(this.#record, decision),
      onAsk: (decision) => onAsk(this.#record, decision),
    });
  }

  #died(cause: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.link.close(cause);
    this.#reportDeath(cause);
  }

  async #save(changes: Partial<SandboxRecord>): Promise<void> {
    this.#record = { ...this.#record, ...changes };
    await this.#options.records.save(this.#record);
  }
}
