// The sandbox of one MCP session: opened at the first call that needs it, again after it has ended, and let go at the end.
// A client like any other, with its caller's token: what it may do is the daemon's decision and none of this server's.

import { ClientError, type Cloister, type ConnectOptions, type OpenOptions, type Sandbox, SandboxError } from '../../client/index.ts';

export type OnConfirm = NonNullable<ConnectOptions['onConfirm']>;

export interface SessionSandboxOptions {
  /** As whom; without `onConfirm` nobody is asked, which denies. */
  readonly connect: (onConfirm: OnConfirm | undefined) => Promise<Cloister>;
  readonly open: OpenOptions;
  /** What the end of the MCP session does to it: `delete` its files as well, `close` it, or `leave` it open. */
  readonly atEnd: 'delete' | 'close' | 'leave';
  /** Known once the MCP client has introduced itself. */
  readonly onConfirm: () => OnConfirm | undefined;
}

export class SessionSandbox {
  readonly #options: SessionSandboxOptions;
  #cloister: Promise<Cloister> | null = null;
  #sandbox: Promise<Sandbox> | null = null;
  #isEnded = false;

  constructor(options: SessionSandboxOptions) {
    this.#options = options;
  }

  /** What `work` rejects with tells whether the next call gets another sandbox. */
  async use<T>(work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
    if (this.#isEnded) throw new SandboxError('SESSION_EXPIRED', 'Cannot use the sandbox: the MCP session has ended');
    const opening = (this.#sandbox ??= this.#open());
    try {
      return await work(await opening);
    } catch (error) {
      if (isOver(error) && this.#sandbox === opening) this.#sandbox = null;
      if (ClientError.is(error)) await this.#forgetClient(error);
      throw error;
    }
  }

  /** `leave`: the daemon stops, and sees to its sandboxes itself. Idempotent. */
  async end(atEnd: 'delete' | 'close' | 'leave' = this.#options.atEnd): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const cloister = await this.#cloister?.catch(() => null);
    if (cloister === null || cloister === undefined) return;
    try {
      const sandbox = await this.#sandbox?.catch(() => null);
      if (atEnd !== 'leave' && sandbox?.role === 'controller') await sandbox.close(atEnd === 'delete' ? { workspace: 'delete' } : {});
    } finally {
      await cloister.close();
    }
  }

  async #open(): Promise<Sandbox> {
    try {
      const cloister = await (this.#cloister ??= this.#options.connect(this.#options.onConfirm()));
      return await cloister.open(this.#options.open);
    } catch (error) {
      // The next call tries again.
      this.#sandbox = null;
      if (ClientError.is(error) || SandboxError.is(error, 'UNAUTHENTICATED')) await this.#forgetClient(error);
      throw error;
    }
  }

  /** A client that has given up is of no use any more. */
  async #forgetClient(cause: unknown): Promise<void> {
    if (ClientError.is(cause) && !['CONNECT_FAILED', 'CONNECTION_LOST', 'CLOSED', 'ABORTED'].includes(cause.code)) return;
    const cloister = await this.#cloister?.catch(() => null);
    this.#cloister = null;
    this.#sandbox = null;
    await cloister?.close();
  }
}

const isOver = (error: unknown): boolean => SandboxError.is(error) && (error.retry === 'new-session' || error.code === 'NOT_FOUND');
