// One open sandbox: runs commands, holds files, is extended and closed. Knows its connection, not how it is made.

import { randomBytes } from 'node:crypto';
import type { Connection } from './connection.ts';
import { SandboxEgress } from './egress.ts';
import { SandboxError } from './errors.ts';
import { startParams, type AttachOptions, type ExecOptions } from './exec-options.ts';
import { Execution, type ExecutionHost } from './execution.ts';
import { Shell } from './shell.ts';
import { SandboxFiles } from './files.ts';
import { SandboxPermissions } from './permissions.ts';
import { SandboxPorts } from './ports.ts';
import { SandboxWorkspace } from './workspace.ts';
import { sendReport, type UsageReport, type UsageSums } from './report.ts';
import { SandboxSecrets } from './secrets.ts';
import type { ExecInfo, Limits, OpenResult, Receipt, SandboxInfo, SessionRole, WorkspaceRetention } from './protocol/index.ts';

export interface CloseOptions {
  /** What becomes of the workspace; by default what was said when it was opened. */
  readonly workspace?: WorkspaceRetention | undefined;
}

export interface ExtendOptions {
  /** Milliseconds from now after which the sandbox is closed whatever it does. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds without use after which the sandbox is closed. */
  readonly idleMs?: number | undefined;
}

export interface PauseOptions {
  /** Also while commands run. */
  readonly force?: boolean | undefined;
}

/** How a sandbox and its client tell each other of an end; not for callers. */
export interface SandboxLease {
  readonly connection: Connection;
  /** Opens that share the object; the last disposal closes. */
  holders: number;
  failure: Error | undefined;
  readonly foreground: Set<string>;
  /** The sandbox is gone or no longer ours. */
  readonly release: () => void;
}

/**
 * A sandbox, open in this client. With `await using` it is closed at the end of the scope, by the last of several that
 * opened the same session on one client; a participant or observer only lets go of it.
 * @example
 *   await using sandbox = await cloister.open({ session: 'build-42' });
 *   const { exitCode } = await sandbox.exec('make');
 */
export class Sandbox {
  readonly files: SandboxFiles;
  readonly ports: SandboxPorts;
  readonly workspace: SandboxWorkspace;
  readonly egress: SandboxEgress;
  readonly permissions: SandboxPermissions;
  readonly secrets: SandboxSecrets;
  readonly #lease: SandboxLease;
  #opened: OpenResult;
  readonly #host: ExecutionHost;
  readonly #idPrefix = randomBytes(9).toString('base64url');
  #lastExec = 0;
  #isDeleted = false;

  /** Made by Cloister.open. */
  constructor(lease: SandboxLease, opened: OpenResult) {
    this.#lease = lease;
    this.#opened = opened;
    this.files = new SandboxFiles(lease, opened.id);
    this.ports = new SandboxPorts(lease, opened.id);
    this.workspace = new SandboxWorkspace(lease, opened.id, (restored) => {
      this.#opened = { ...this.#opened, receipt: restored.receipt };
    });
    this.egress = new SandboxEgress(lease, opened.id);
    this.permissions = new SandboxPermissions(lease, opened.id);
    this.secrets = new SandboxSecrets(lease, opened.id);
    this.#host = {
      connection: lease.connection,
      id: opened.id,
      foreground: lease.foreground,
      attach: (id) => this.attach(id),
      get failure() {
        return lease.failure;
      },
    };
  }

  get id(): string {
    return this.#opened.id;
  }

  get session(): string {
    return this.#opened.session;
  }

  get tenant(): string {
    return this.#opened.tenant;
  }

  /** In a fleet, the member that has it: a client that reaches this address may connect there itself. */
  get ownerUrl(): string | undefined {
    return this.#opened.owner?.url;
  }

  /** What the kernel was seen to enforce before anything ran, signed by the daemon. */
  get receipt(): Receipt {
    return this.#opened.receipt;
  }

  /** True: the open that made this object made the sandbox. */
  get created(): boolean {
    return this.#opened.created;
  }

  get startKind(): OpenResult['startKind'] {
    return this.#opened.startKind;
  }

  get role(): SessionRole {
    return this.#opened.role;
  }

  get limits(): Limits {
    return this.#opened.limits;
  }

  /**
   * Runs a command: a string under `bash -c` (`sh -c` where the image has no bash), an array as argv. Never throws;
   * what it returns can be awaited, iterated and acted on.
   * @example const { outcome, exitCode, stdout } = await sandbox.exec(['npm', 'test'], { cwd: 'app', timeoutMs: 60_000 });
   */
  exec(command: string | readonly string[], options: ExecOptions = {}): Execution {
    this.#lastExec += 1;
    const id = options.id ?? `e${this.#idPrefix}-${this.#lastExec.toString(36)}`;
    return new Execution(this.#host, { op: 'exec.start', params: startParams(this.id, id, command, options) }, options, options.stdin);
  }

  /**
   * A handle to a command that was started before, here or by another process; leaving its loop leaves the command alone.
   * The result rejects with EXEC_UNKNOWN when nothing is kept of it (10 minutes after its end).
   * @example const rest = await sandbox.attach(part.id, { offset: part.nextOffset });
   */
  attach(id: string, options: AttachOptions = {}): Execution {
    const { offset, yieldMs } = options;
    return new Execution(this.#host, { op: 'exec.attach', params: { sandbox: this.id, execId: id, offset, yieldMs } }, options);
  }

  /**
   * A bash that keeps its state between runs; it ends with this client. Needs bash in the image.
   * @example const shell = await sandbox.shell(); await shell.run('cd src'); await shell.run('pwd');
   */
  async shell(options: Pick<ExecOptions, 'cwd' | 'env'> = {}): Promise<Shell> {
    const shell = new Shell(this, options);
    await shell.restart();
    return shell;
  }

  /** Commands that run and those still kept after their end. */
  async execs(): Promise<ExecInfo[]> {
    this.#assertUsable();
    return (await this.#lease.connection.call('exec.list', { sandbox: this.id })).execs;
  }

  /**
   * Puts on record what the model behind this session has used; answers the session's sums so far.
   * @example await sandbox.report({ inputTokens: 1200, outputTokens: 80, costUsd: 0.004, model: 'm-1' });
   */
  async report(usage: UsageReport): Promise<UsageSums> {
    this.#assertUsable();
    return await sendReport(this.#lease.connection, this.id, usage);
  }

  /** Sets new limits of life, counted from now. */
  async extend(options: ExtendOptions): Promise<SandboxInfo> {
    this.#assertUsable();
    return await this.#lease.connection.call('extend', { sandbox: this.id, ...options });
  }

  /**
   * Stops everything in the sandbox until `resume` or the next call; the time limits of its commands stand still as well.
   * Rejects with SESSION_BUSY while something runs, unless forced.
   */
  async pause(options: PauseOptions = {}): Promise<SandboxInfo> {
    this.#assertUsable();
    return await this.#lease.connection.call('pause', { sandbox: this.id, ...options });
  }

  async resume(): Promise<SandboxInfo> {
    this.#assertUsable();
    return await this.#lease.connection.call('resume', { sandbox: this.id });
  }

  /**
   * Ends the sandbox and everything in it; a second call does nothing. Its commands end `killed`. A workspace that was to be
   * deleted is kept where the sandbox had ended before: SESSION_EXPIRED, SANDBOX_FAILED or NOT_FOUND then; open it again to close it.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const isDeleting = options.workspace === 'delete' && !this.#isDeleted;
    if (this.#lease.failure !== undefined) {
      // Gone already, and that is what was asked for; its workspace was kept.
      if (isDeleting) throw this.#lease.failure;
      return;
    }
    this.#lease.failure = new SandboxError('SESSION_EXPIRED', `Cannot use sandbox ${this.id}: it was closed here`);
    this.#lease.release();
    try {
      await this.#lease.connection.call('close', { sandbox: this.id, workspace: options.workspace });
      this.#isDeleted = isDeleting;
    } catch (error) {
      if (isDeleting || (!SandboxError.is(error, 'NOT_FOUND') && !SandboxError.is(error, 'SESSION_EXPIRED'))) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lease.holders -= 1;
    if (this.#lease.holders > 0) return;
    if (this.role === 'controller') await this.close();
    else this.#lease.release();
  }

  #assertUsable(): void {
    if (this.#lease.failure !== undefined) throw this.#lease.failure;
  }
}
