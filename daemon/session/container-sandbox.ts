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
import type { KernelLog } from '../container/kernel-log.ts';
import { SandboxKernel } from '../container/sandbox-kernel.ts';
import type { SandboxUsage } from '../container/sandbox-meter.ts';
import type { EgressProcess } from '../egress/egress-process.ts';
import { SandboxEgress } from '../egress/sandbox-egress.ts';
import { ExecTable } from '../exec/exec-table.ts';
import type { Execution } from '../exec/execution.ts';
import type { Recordings } from '../exec/recordings.ts';
import type { SpoolStore } from '../exec/spool-store.ts';
import { SandboxFiles } from '../files/sandbox-files.ts';
import { ControlListener } from '../link/control-listener.ts';
import { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import type { SecretStore } from '../secrets/secret-store.ts';
import type { RuntimeDirs } from '../workspace/runtime-dirs.ts';
import type { WorkspaceKeeper } from '../workspace/workspace-keeper.ts';
import type { Confirmation } from './confirmations.ts';
import { KeptRecord } from './kept-record.ts';
import { removeContainer } from './remove-container.ts';
import type { RunningSandbox, SandboxOrder } from './running-sandbox.ts';
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
  /** Null: the kernel's log can't be read here. */
  readonly kernelLog: KernelLog | null;
  readonly secrets: SecretStore;
  readonly recordings: Pick<Recordings, 'output'>;
  /** A command of an earlier daemon that had not ended. */
  readonly onExecAdopted: (record: SandboxRecord, execution: Execution) => void;
  /** Allowed and about to be dialled; `attempt` is the name it has in its decision. */
  readonly onEgressStarted: (record: SandboxRecord, decision: EgressDecision, attempt: string) => void;
  readonly onEgress: (record: SandboxRecord, decision: EgressDecision, attempt: string) => void;
  readonly onAsk: (record: SandboxRecord, decision: EgressDecision) => Promise<Confirmation>;
  /** The daemon stops. */
  readonly leaving: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

export class ContainerSandbox implements RunningSandbox {
  readonly id: SandboxId;
  readonly link: SandboxLink;
  readonly died: Promise<string>;
  readonly #options: ContainerSandboxOptions;
  readonly #stopWatching = new AbortController();
  readonly #kept: KeptRecord;
  #listener: ControlListener | null = null;
  #execs: ExecTable | null = null;
  #files: SandboxFiles | null = null;
  #egress: SandboxEgress | null = null;
  #kernel: SandboxKernel | null = null;
  #isClosing = false;
  #finishPending: () => Promise<void> = async () => undefined;
  #reportDeath: (cause: string) => void = () => undefined;

  constructor(options: ContainerSandboxOptions) {
    this.#options = options;
    this.#kept = new KeptRecord(options.records, options.record);
    this.id = options.record.id;
    options.workspaces.hold(options.record.workspaceId);
    this.died = new Promise((resolve) => {
      this.#reportDeath = resolve;
    });
    this.link = new SandboxLink({ sandboxId: this.id, clock: options.clock, log: options.log, onFailed: (reason) => this.#died(reason) });
  }

  get receipt(): Receipt {
    if (this.record.receipt === null) throw new SandboxError('INTERNAL', `Cannot show the receipt of ${this.id}: it was never handed out`);
    return this.record.receipt;
  }

  get record(): SandboxRecord {
    return this.#kept.current;
  }

  get shell(): 'bash' | 'sh' {
    return this.record.shell;
  }

  env(execId: string): Readonly<Record<string, string>> {
    const placeholders = this.#options.secrets.find(this.id)?.placeholders();
    return { ...this.record.baseEnv, ...this.#egress?.env(execId), ...placeholders, ...this.record.env };
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

  usage(): SandboxUsage | null {
    return this.#isClosing ? null : (this.#kernel?.usage() ?? null);
  }

  dial(port: number, signal?: AbortSignal): Promise<Duplex> {
    return this.link.dial(port, signal);
  }

  /** Opens the sockets; before the container starts, or while one of an earlier daemon runs. */
  async listen(): Promise<void> {
    const { runtimeDirs, spools, clock, log } = this.#options;
    const maxRunning = (): number => this.record.policy.limits.execs;
    await this.#options.secrets.adopt(this.id);
    this.#execs = await ExecTable.open({
      sandboxId: this.id,
      link: this.link,
      spools,
      journalPath: this.#journalPath,
      clock,
      log,
      // Asked anew for each command: a spare gets other limits when it is claimed.
      get maxRunning() {
        return maxRunning();
      },
      kernel: () => this.#kernel,
      filters: this.#options.secrets.filters(this.id),
      onKept: (...kept) => this.#options.recordings.output(this.id, ...kept),
      complete: (draft) => {
        const judged = this.#egress?.complete(draft) ?? draft;
        const { history } = this.#options.workspaces;
        const { workspaceId } = this.record;
        return judged instanceof Promise
          ? judged.then((result) => history.complete(workspaceId, result))
          : history.complete(workspaceId, judged);
      },
    });
    for (const execution of this.#execs.list()) if (execution.state === 'running') this.#options.onExecAdopted(this.record, execution);
    await this.#openEgress();
    this.#listener = await ControlListener.open({
      socketPath: join(runtimeDirs.slot(this.record.slot).dir, 'control.sock'),
      nonces: this.record.nonces,
      saveNonces: (nonces) => this.#kept.save({ nonces }),
      onFirstHello: () => runtimeDirs.removeNonce(this.record.slot),
      link: this.link,
      clock,
      log,
    });
  }

  /** The engine has made the container; its end is watched from here on. */
  created(containerId: string): void {
    this.#kept.note({ containerId });
  }

  async watch(): Promise<void> {
    const { driver, log } = this.#options;
    const { containerId } = this.record;
    if (containerId === null) return;
    this.#kernel = await SandboxKernel.open({ driver, containerId, uid: this.record.uid, log: this.#options.kernelLog });
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
    await Promise.all([this.watch(), this.#kept.save({ receipt, shell })]);
  }

  /** The receipt matches, and whose it will be is open. */
  async stocked(shell: 'bash' | 'sh'): Promise<void> {
    await this.watch();
    await this.#kept.save({ shell });
  }

  /** A spare becomes the tenant's: by its record and nothing else. */
  async handOut({ id: _id, ...order }: SandboxOrder, receipt: Receipt): Promise<void> {
    await this.#kept.save({ ...order, env: { ...order.env }, receipt });
    await this.#egress?.setPolicy(order.policy.egress);
  }

  /** Something is still to be done with its workspace before that is removed, or left to the next daemon; never rejects. */
  beforeLeaving(finish: () => Promise<void>): void {
    this.#finishPending = finish;
  }

  async close(workspace: WorkspaceRetention, reason: string, by = 'session:close'): Promise<void> {
    const { runtimeDirs, workspaces, spools, log } = this.#options;
    this.#isClosing = true;
    this.#stopWatching.abort();
    try {
      // The name, because a crash may have come between making the container and recording its id.
      await removeContainer(this.record.containerId ?? `cloister-${this.id}`, this.#options);
      this.#execs?.sandboxRemoved(by, reason);
    } finally {
      this.link.close(reason);
      await this.#listener?.close();
      await this.#egress?.close();
    }
    // One that an earlier daemon left half removed was never opened here, and its commands are on disk all the same.
    if (this.#execs === null) await ExecTable.removeLeft({ sandboxId: this.id, journalPath: this.#journalPath, spools });
    else await this.#execs.destroy();
    this.#kernel?.close();
    await runtimeDirs.removeSlot(this.record.slot);
    await this.#finishPending();
    if (workspace === 'delete') await workspaces.remove(this.record.workspaceId);
    else await workspaces.release(this.record.workspaceId);
    await this.#kept.remove();
    log.info({ sandboxId: this.id, reason, workspace }, 'sandbox closed');
  }

  saveLife(life: { readonly expiresAtMs: number | null; readonly idleMs: number }): Promise<void> {
    return this.#kept.save(life);
  }

  async pause(): Promise<void> {
    const { driver } = this.#options;
    await this.link.stopClocks();
    try {
      await driver.pause(`cloister-${this.id}`);
    } catch (error) {
      this.link.startClocks();
      throw error;
    }
  }

  async resume(): Promise<void> {
    await this.#options.driver.unpause(`cloister-${this.id}`);
    this.link.startClocks();
  }

  async detach(): Promise<void> {
    this.#isClosing = true;
    this.#stopWatching.abort();
    await this.#execs?.close();
    this.#kernel?.close();
    await this.#listener?.close();
    await this.#egress?.close();
    await this.#finishPending();
    this.link.detach();
  }

  async setPolicy(policy: GrantedPolicy): Promise<void> {
    await this.#kept.save({ policy });
    await this.#egress?.setPolicy(policy.egress);
  }

  get #journalPath(): string {
    return join(this.#options.stateDir, 'sandboxes', `${this.id}.execs.jsonl`);
  }

  /** Without network in the profile there is no socket, and nothing that a policy could open. */
  async #openEgress(): Promise<void> {
    const { egress, runtimeDirs, clock, onEgress, onEgressStarted, onAsk } = this.#options;
    if (this.record.policy.profile.network === 'none') return;
    this.#egress = await SandboxEgress.open({
      sandboxId: this.id,
      socketPath: join(runtimeDirs.slot(this.record.slot).dir, 'egress.sock'),
      profileName: this.record.policy.profileName,
      policy: this.record.policy.egress,
      secrets: () => this.#options.secrets.find(this.id)?.headerSecrets() ?? [],
      process: egress,
      clock,
      stateOf: (execId) => this.#execs?.get(execId)?.state ?? null,
      onStarted: (decision, attempt) => onEgressStarted(this.record, decision, attempt),
      onDecision: (decision, attempt) => onEgress(this.record, decision, attempt),
      onAsk: (decision) => onAsk(this.record, decision),
    });
  }

  #died(cause: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.link.close(cause);
    this.#reportDeath(cause);
  }
}
