// One open session: its sandbox, who controls it, when it ends. Owns the lifecycle of a single (tenant, session);
// which sessions exist is the pool's business, what runs in the sandbox is exec's and files'.

import { SandboxError } from '../../client/protocol/errors.ts';
import type { Labels, SandboxId, SessionName, TenantName } from '../../client/protocol/names.ts';
import type { OpenResult, SandboxInfo, SessionRole, WorkspaceRetention } from '../../client/protocol/session.ts';
import type { Clock } from '../observe/clock.ts';
import type { GrantedPolicy } from '../policy/grant-policy.ts';
import { PauseSwitch } from './pause-switch.ts';
import type { RunningSandbox } from './running-sandbox.ts';

export type StartKind = 'warm' | 'cold';
export type SessionState = 'starting' | 'running' | 'closing' | 'failed' | 'closed';

export interface SessionOptions {
  readonly id: SandboxId;
  readonly tenant: TenantName;
  readonly session: SessionName;
  readonly policy: GrantedPolicy;
  readonly labels: Labels;
  readonly workspaceName: string;
  readonly hostPath?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly retain: WorkspaceRetention;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly idleMs: number;
  readonly clock: Clock;
}

export class Session {
  readonly id: SandboxId;
  readonly tenant: TenantName;
  readonly session: SessionName;
  policy: GrantedPolicy;
  readonly labels: Labels;
  readonly workspaceName: string;
  /** Its workspace, if that is a directory of the host. */
  readonly hostPath: string | undefined;
  /** What its commands start with, as it was asked for. */
  readonly env: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly retain: WorkspaceRetention;
  expiresAtMs: number | null;
  idleMs: number;
  /** clientId of the controller; null: nobody holds the lease. */
  controller: string | null = null;
  /** When the controller's connection was lost; null while it is connected. */
  controllerLostAtMs: number | null = null;
  lastUsedAtMs: number;
  readonly #clock: Clock;
  #state: SessionState = 'starting';
  #sandbox: RunningSandbox | null = null;
  #startKind: StartKind = 'cold';
  #pauses: PauseSwitch | null = null;
  #callsInFlight = 0;
  /** Exec id -> cancels its end; bounded by limits.execs. */
  readonly #unclaimed = new Map<string, () => void>();
  #endReason = '';

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.tenant = options.tenant;
    this.session = options.session;
    this.policy = options.policy;
    this.labels = options.labels;
    this.workspaceName = options.workspaceName;
    this.hostPath = options.hostPath;
    this.env = options.env;
    this.createdAtMs = options.createdAtMs;
    this.retain = options.retain;
    this.expiresAtMs = options.expiresAtMs;
    this.idleMs = options.idleMs;
    this.lastUsedAtMs = options.createdAtMs;
    this.#clock = options.clock;
  }

  get state(): SessionState {
    return this.#state;
  }

  get startKind(): StartKind {
    return this.#startKind;
  }

  get isBusy(): boolean {
    return this.#state === 'starting' || this.#callsInFlight > 0 || (this.#sandbox?.execs.runningCount ?? 0) > 0;
  }

  started(sandbox: RunningSandbox, startKind: StartKind): void {
    this.#sandbox = sandbox;
    this.#pauses = new PauseSwitch(sandbox);
    this.#startKind = startKind;
    this.#state = 'running';
  }

  /** Its sandbox is ended and will be started again; until then calls are told that it is starting. */
  restarting(): void {
    this.#state = 'starting';
  }

  /** The sandbox, for a call; SESSION_EXPIRED or SANDBOX_FAILED once it is gone. */
  sandbox(): RunningSandbox {
    if (this.#state === 'running' && this.#sandbox !== null) return this.#sandbox;
    if (this.#state === 'starting')
      throw new SandboxError('SESSION_BUSY', `Cannot use sandbox ${this.id}: it is starting`, {
        hint: 'Try again when its open has been answered.',
      });
    throw this.ended() ?? new SandboxError('SESSION_EXPIRED', `Cannot use sandbox ${this.id}: it is closed`);
  }

  /** Why nobody can use it any more; null as long as it has not begun to end. */
  ended(): SandboxError | null {
    if (this.#state === 'starting' || this.#state === 'running') return null;
    const code = this.#state === 'failed' ? 'SANDBOX_FAILED' : 'SESSION_EXPIRED';
    return new SandboxError(code, `Cannot use sandbox ${this.id}: ${this.#endReason}`);
  }

  /** The sandbox whatever the state, for closing. */
  get runningSandbox(): RunningSandbox | null {
    return this.#sandbox;
  }

  /** Runs a call as work in flight: the session is neither idle nor evicted meanwhile, and a paused sandbox is resumed for it. */
  async use<T>(call: (sandbox: RunningSandbox) => Promise<T>): Promise<T> {
    const sandbox = this.sandbox();
    this.#callsInFlight += 1;
    this.lastUsedAtMs = this.#clock.now();
    try {
      if (this.#pauses?.isRunning === false) await this.#pauses.resume().catch((error: unknown) => this.#refused(error));
      return await call(sandbox);
    } finally {
      this.#callsInFlight -= 1;
      this.lastUsedAtMs = this.#clock.now();
    }
  }

  /** Stops everything in it until the next call. Without force only where nothing runs. */
  async pause({ isForced }: { readonly isForced: boolean }): Promise<void> {
    const { execs } = this.sandbox();
    if (!isForced && (execs.runningCount > 0 || this.#callsInFlight > 0))
      throw new SandboxError(
        'SESSION_BUSY',
        `Cannot pause sandbox ${this.id}: ${execs.runningCount} commands and ${this.#callsInFlight} calls are under way`,
        { hint: 'Wait for them, or pass force: true; they then stand still, and their time limits with them.' },
      );
    await this.#pauses?.pause().catch((error: unknown) => this.#refused(error));
  }

  async resume(): Promise<void> {
    this.sandbox();
    await this.#pauses?.resume().catch((error: unknown) => this.#refused(error));
    this.lastUsedAtMs = this.#clock.now();
  }

  /** Of a sandbox that is ending the engine only says that it could not; why it ends is the answer. */
  #refused(error: unknown): never {
    throw this.ended() ?? error;
  }

  /** It has nothing to do and has had nothing for that long. */
  isPauseDue(nowMs: number, pauseIdleMs: number): boolean {
    return this.#state === 'running' && this.#pauses?.isRunning === true && !this.isBusy && nowMs - this.lastUsedAtMs >= pauseIdleMs;
  }

  /** New limits of life, counted from now; they hold under the next daemon as well. */
  async extend(life: { readonly ttlMs: number | undefined; readonly idleMs: number | undefined }): Promise<void> {
    const sandbox = this.sandbox();
    if (life.ttlMs !== undefined) this.expiresAtMs = this.#clock.now() + life.ttlMs;
    if (life.idleMs !== undefined) this.idleMs = life.idleMs;
    await sandbox.saveLife({ expiresAtMs: this.expiresAtMs, idleMs: this.idleMs });
  }

  /** In force when this resolves. */
  async setPolicy(policy: GrantedPolicy): Promise<void> {
    await this.sandbox().setPolicy(policy);
    this.policy = policy;
  }

  /** Its controller is connected. */
  get isControlled(): boolean {
    return this.controller !== null && this.controllerLostAtMs === null;
  }

  ending(state: 'closing' | 'failed', reason: string): void {
    this.#state = state;
    this.#endReason = reason;
  }

  closed(): void {
    if (this.#state !== 'failed') this.#state = 'closed';
  }

  /** Why the session should end now, or null. A busy session only ends by its TTL. */
  dueReason(nowMs: number): string | null {
    if (this.#state !== 'running') return null;
    if (this.expiresAtMs !== null && nowMs >= this.expiresAtMs) return 'its time to live is over';
    if (this.isBusy) return null;
    return nowMs - this.lastUsedAtMs >= this.idleMs ? 'it was idle for too long' : null;
  }

  /** A controller that stays away for longer than its grace holds the lease no more. */
  expireLease(nowMs: number, leaseGraceMs: number): void {
    if (this.controllerLostAtMs === null || nowMs - this.controllerLostAtMs < leaseGraceMs) return;
    this.controller = null;
    this.controllerLostAtMs = null;
  }

  /** Foreground commands of an earlier daemon's clients end unless one of them comes back for them in time. */
  awaitClients(sandbox: RunningSandbox, graceMs: number): void {
    for (const execution of sandbox.execs.list()) {
      if (execution.state === 'ended' || execution.request.background) continue;
      const cancel = this.#clock.after(graceMs, () => {
        if (this.#unclaimed.delete(execution.id)) execution.kill({ by: 'disconnect' });
      });
      this.#unclaimed.set(execution.id, cancel);
    }
  }

  /** True: the command waited for a client, and the caller is it now. */
  claim(execId: string): boolean {
    this.#unclaimed.get(execId)?.();
    return this.#unclaimed.delete(execId);
  }

  info(): SandboxInfo {
    return {
      id: this.id,
      tenant: this.tenant,
      session: this.session,
      state: this.#state === 'closed' ? 'closing' : this.#state === 'running' && this.#pauses?.isPaused === true ? 'paused' : this.#state,
      profile: this.policy.profileName,
      image: this.policy.imageName,
      runtime: this.policy.runtime,
      labels: this.labels,
      limits: this.policy.limits,
      createdAt: new Date(this.createdAtMs).toISOString(),
      lastUsedAt: new Date(this.lastUsedAtMs).toISOString(),
      expiresAt: this.expiresAtMs === null ? null : new Date(this.expiresAtMs).toISOString(),
      execs: this.#sandbox?.execs.runningCount ?? 0,
      isControlled: this.isControlled,
    };
  }

  openResult(created: boolean, role: SessionRole): OpenResult {
    const sandbox = this.sandbox();
    return {
      id: this.id,
      session: this.session,
      tenant: this.tenant,
      created,
      startKind: created ? this.#startKind : 'attached',
      role,
      limits: this.policy.limits,
      expiresAt: this.expiresAtMs === null ? null : new Date(this.expiresAtMs).toISOString(),
      receipt: sandbox.receipt,
    };
  }
}
