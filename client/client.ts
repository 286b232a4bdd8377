// The library's entrance: one connection to a daemon and the sandboxes opened on it.

import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { ClientError, SandboxError } from './errors.ts';
import { Images } from './images.ts';
import { Operations } from './operations.ts';
import type {
  ConfirmAnswer,
  ConfirmRequest,
  EgressDecision,
  PolicyExplain,
  EventEnvelope,
  Params,
  Role,
  SandboxInfo,
} from './protocol/index.ts';
import { Sandbox, type CloseOptions, type ExtendOptions, type SandboxLease } from './sandbox.ts';

const RESUME_MS = 600_000;
const CLOSE_PATIENCE_MS = 5_000;

export interface ConnectOptions {
  /** ws://, wss://, http:// or https:// address of the daemon. */
  readonly url: string;
  readonly token: string;
  /** Milliseconds that foreground commands outlive a vanished client; default 30,000. */
  readonly disconnectGraceMs?: number | undefined;
  /** Aborting ends the client at once; its foreground commands end after disconnectGraceMs. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds one attempt to connect may take; default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  readonly reconnect?: ReconnectOptions | undefined;
  /** W3C trace context of every call that says none of its own. */
  readonly traceparent?: string | undefined;
  /** Asked before something a rule wants confirmed, in sandboxes this client controls; without it, or if it throws, the answer is no. */
  readonly onConfirm?: ((request: ConfirmRequest) => Promise<Exclude<ConfirmAnswer, 'nobody'>>) | undefined;
  /** Told of every egress decision in sandboxes this client controls, as it is made; what happens while no socket is up is only in the results. */
  readonly onEgress?: ((decision: EgressDecision, sandboxId: string) => void) | undefined;
}

export interface ReconnectOptions {
  /** Milliseconds before the first new attempt, doubled for each further one; default 100. */
  readonly minDelayMs?: number | undefined;
  /** Milliseconds between attempts at most; default 5,000. */
  readonly maxDelayMs?: number | undefined;
  /** Milliseconds after which attempts end and open calls fail with CONNECTION_LOST; default and useful maximum 600,000. */
  readonly giveUpAfterMs?: number | undefined;
}

export type OpenOptions = Readonly<Params<'open'>>;
export type ListSandboxesOptions = Readonly<Params<'list'>>;

interface Opened {
  readonly sandbox: Sandbox;
  readonly lease: SandboxLease;
  /** How to join it again: as it is, and no other in its place. */
  readonly again: OpenOptions;
}

/**
 * A client of one daemon. A lost socket is reconnected and everything on it goes on; calls wait meanwhile.
 * @example
 *   await using cloister = await Cloister.connect({ url: 'ws://127.0.0.1:7070', token });
 *   await using sandbox = await cloister.open({ session: 'build-42' });
 *   console.log((await sandbox.exec('echo hello')).stdout);
 */
export class Cloister {
  readonly #opened = new Map<string, Opened>();
  #connection!: Connection;
  #onEgress: ConnectOptions['onEgress'];
  #onConfirm: ConnectOptions['onConfirm'];

  private constructor() {
    // connect() finishes the construction.
  }

  /**
   * Connects and introduces itself. Rejects with CONNECT_FAILED (nobody there), UNAUTHENTICATED, FORBIDDEN or
   * PROTOCOL_VERSION; the first attempt is the only one.
   */
  static async connect(options: ConnectOptions): Promise<Cloister> {
    const cloister = new Cloister();
    const { signal, reconnect } = options;
    cloister.#onEgress = options.onEgress;
    cloister.#onConfirm = options.onConfirm;
    cloister.#connection = await Connection.open(
      {
        url: options.url,
        token: options.token,
        clientId: randomBytes(24).toString('base64url'),
        disconnectGraceMs: options.disconnectGraceMs ?? 30_000,
        traceparent: options.traceparent,
        handshakeTimeoutMs: options.connectTimeoutMs ?? 10_000,
        backoff: { minDelayMs: reconnect?.minDelayMs ?? 100, maxDelayMs: reconnect?.maxDelayMs ?? 5_000 },
        giveUpAfterMs: reconnect?.giveUpAfterMs ?? RESUME_MS,
        random: Math.random,
        onEvent: (event) => cloister.#onEvent(event),
        onResume: () => cloister.#reopen(),
      },
      signal ?? new AbortController().signal,
    );
    signal?.addEventListener('abort', () => cloister.#connection.end(new ClientError('ABORTED', 'Cannot go on: the signal was aborted')), {
      once: true,
    });
    return cloister;
  }

  /** What the daemon takes this token's holder for; `tenant` is null for an operator of all. */
  get identity(): { readonly tenant: string | null; readonly role: Role } {
    const { tenant, role } = this.#connection.hello;
    return { tenant, role };
  }

  /** Checks the daemon's signatures: `verifyReceipt(sandbox.receipt, cloister.receiptKey)`. PEM. */
  get receiptKey(): string {
    return this.#connection.hello.receiptKey;
  }

  /** For operators: open questions and the daemon's configuration. */
  get operations(): Operations {
    return new Operations(this.#connection);
  }

  /** For operators: the images that sessions may ask for. */
  get images(): Images {
    return new Images(this.#connection);
  }

  get daemonVersion(): string {
    return this.#connection.hello.daemonVersion;
  }

  /**
   * Opens a session: its sandbox is made, or found if it lives. Opens of one session in one role on this client share the
   * Sandbox. Rejects for example with SESSION_BUSY (another connection controls it), CAPACITY or QUOTA_EXCEEDED.
   */
  async open(options: OpenOptions): Promise<Sandbox> {
    const result = await this.#connection.call('open', options);
    const key = `${result.id} ${result.role}`;
    const known = this.#opened.get(key);
    if (known !== undefined) {
      known.lease.holders += 1;
      return known.sandbox;
    }
    const lease: SandboxLease = {
      connection: this.#connection,
      holders: 1,
      failure: undefined,
      foreground: new Set(),
      release: () => this.#opened.delete(key),
    };
    const sandbox = new Sandbox(lease, result);
    this.#opened.set(key, {
      sandbox,
      lease,
      again: { session: options.session, sandbox: result.id, tenant: options.tenant, role: options.role },
    });
    return sandbox;
  }

  /**
   * What a session would be told of a URL that asked for this and nothing else; none is opened.
   * @example const { verdict, rule } = await cloister.explain({ url: 'https://pypi.org', allow: ['pypi.org'], profile: 'workspace-write' });
   */
  async explain(asked: PolicyExplain): Promise<EgressDecision> {
    return await this.#connection.call('policy.explain', asked);
  }

  /** Sandboxes this token may see. */
  async list(options: ListSandboxesOptions = {}): Promise<SandboxInfo[]> {
    return (await this.#connection.call('list', options)).sandboxes;
  }

  /** Ends a sandbox by its id, opened here or not; operators, and the session's own tenant. */
  async closeSandbox(id: string, options: CloseOptions = {}): Promise<void> {
    await this.#connection.call('close', { sandbox: id, workspace: options.workspace });
  }

  /** Sets new limits of life of a sandbox by its id, counted from now. */
  async extendSandbox(id: string, options: ExtendOptions): Promise<SandboxInfo> {
    return await this.#connection.call('extend', { sandbox: id, ...options });
  }

  /**
   * Ends the connection. Foreground commands started here are killed; sandboxes and background commands stay, to be
   * opened again. Calls without an answer reject with CLOSED.
   */
  async close(): Promise<void> {
    const kills = [...this.#opened.values()].flatMap(({ sandbox, lease }) =>
      [...lease.foreground].map((execId) => this.#connection.call('exec.kill', { sandbox: sandbox.id, execId }).catch(() => undefined)),
    );
    const patience = new AbortController();
    const timeout = setTimeout(CLOSE_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    if (kills.length > 0) await Promise.race([Promise.all(kills), timeout]);
    patience.abort();
    this.#connection.end(new ClientError('CLOSED', 'Cannot go on: the client was closed'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** After a lost socket: takes up every sandbox again, or tells its calls why that can't be. */
  async #reopen(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((opened) => this.#reopenOne(opened)));
  }

  async #reopenOne({ sandbox, again }: Opened): Promise<void> {
    try {
      await this.#connection.call('open', again, true);
    } catch (error) {
      // The new socket is gone as well: the next one tries again.
      if (!(error instanceof SandboxError)) throw error;
      if (error.retry === 'later' && error.code !== 'SESSION_BUSY') throw error;
      this.#lose(sandbox.id, error);
    }
  }

  #onEvent(event: EventEnvelope): void {
    if (event.event === 'session.ended') {
      this.#end(event.sandbox, new SandboxError(event.code, `Cannot use sandbox ${event.sandbox}: it ended (${event.reason})`));
    } else if (event.event === 'confirm.request') {
      void this.#confirm(event.request);
    } else if (event.event === 'egress.decision') {
      this.#onEgress?.(event.decision, event.sandbox);
    } else if (event.event === 'session.leaseLost') {
      this.#end(event.sandbox, new SandboxError('LEASE_LOST', `Cannot use sandbox ${event.sandbox}: another connection took it over`));
    }
  }

  async #confirm(request: ConfirmRequest): Promise<void> {
    const onConfirm = this.#onConfirm;
    const answer = onConfirm === undefined ? 'nobody' : await (async () => onConfirm(request))().catch(() => 'deny' as const);
    // Too late is a denial already.
    await this.#connection.call('confirm.answer', { sandbox: request.sandboxId, id: request.id, answer }).catch(() => undefined);
  }

  /** The sandbox takes no new calls; those under way have answers of their own. */
  #end(id: string, error: Error): void {
    for (const { sandbox, lease } of [...this.#opened.values()]) {
      if (sandbox.id !== id) continue;
      lease.failure ??= error;
      lease.release();
    }
  }

  #lose(id: string, error: Error): void {
    this.#end(id, error);
    this.#connection.failSandbox(id, error);
  }
}
