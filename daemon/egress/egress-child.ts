// One life of the egress process, seen from the daemon: started, checked, given connections one by one, ended.
// Restarting it is egress-process.ts's business. Nothing it says is believed without a schema.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxId } from '../../client/protocol/names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import { rightsLeft } from './drop-rights.ts';
import { egressEntry } from './egress-entry.ts';
import { type FromEgress, FromEgressTogether, type ToEgress } from './messages.ts';

const START_LIMIT_MS = 20_000;
const TAKEN_LIMIT_MS = 10_000;
/** How long it may take to read what it said before its end. */
const LAST_WORDS_MS = 1_000;
const MAX_WAITING = 512;
const MAX_STDERR = 2_000;

export interface EgressChildOptions {
  readonly configuration: Extract<ToEgress, { t: 'configure' }>;
  readonly onMessage: (message: FromEgress) => void;
  readonly onExit: (cause: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiting {
  readonly sandbox: SandboxId;
  readonly socket: Socket;
}

export class EgressChild {
  readonly #process: ChildProcess;
  readonly #options: EgressChildOptions;
  readonly #waiting: Waiting[] = [];
  #cancelTaken: (() => void) | null = null;
  #isReady = false;
  #isOver = false;
  #stderr = '';
  #settle: (failure: SandboxError | null) => void = () => undefined;

  private constructor(process: ChildProcess, options: EgressChildOptions) {
    this.#process = process;
    this.#options = options;
  }

  /** Rejects with INTERNAL unless it runs without any right. */
  static async start(options: EgressChildOptions): Promise<EgressChild> {
    const entry = await egressEntry();
    const process = spawn(entry.file, entry.arguments, { cwd: '/', env: {}, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    const child = new EgressChild(process, options);
    const failure = await child.#untilReady();
    const cause = failure?.message ?? (await child.#rightsOf(entry.hasNoNewPrivs));
    if (cause !== null) {
      child.kill();
      throw new SandboxError('INTERNAL', `Cannot start the egress process: ${cause}`, {
        hint: 'The log has its last words. Sandboxes without network are not affected.',
      });
    }
    child.#isReady = true;
    return child;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  tell(message: ToEgress): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Hands the socket over; it is closed when that can't be. */
  give(sandbox: SandboxId, socket: Socket): void {
    if (!this.#isReady || !this.#process.connected || this.#waiting.length >= MAX_WAITING) {
      socket.destroy();
      return;
    }
    this.#waiting.push({ sandbox, socket });
    if (this.#waiting.length === 1) this.#giveNext();
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #untilReady(): Promise<SandboxError | null> {
    const { clock, log } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(START_LIMIT_MS, () => this.#settle(new SandboxError('INTERNAL', 'it did not come up in time')));
      this.#settle = (failure) => {
        cancel();
        resolve(failure);
      };
      this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#stderr = (this.#stderr + text).slice(-MAX_STDERR);
      });
      this.#process.on('message', (raw) => this.#onMessage(raw));
      this.#process.on('error', (error) => this.#settle(new SandboxError('INTERNAL', error.message)));
      this.#process.on('exit', (code, signal) => {
        const cause = `it ended (${signal ?? `code ${code ?? 'unknown'}`})`;
        // What it said may still be under way at its exit; at the close it has been read.
        const cancel = clock.after(LAST_WORDS_MS, () => this.#onExit(cause));
        this.#process.once('close', () => {
          cancel();
          this.#onExit(cause);
        });
      });
      log.debug({ pid: this.#process.pid }, 'egress process starts');
    });
  }

  #onMessage(raw: unknown): void {
    if (this.#isOver) return;
    const parsed = FromEgressTogether.safeParse(raw);
    if (!parsed.success) {
      this.#options.log.error({ pid: this.pid }, 'egress process says what is no message; it is ended');
      return this.kill();
    }
    for (const message of parsed.data) this.#said(message);
  }

  #said(message: FromEgress): void {
    if (message.t === 'loaded') this.tell(this.#options.configuration);
    else if (message.t === 'ready') this.#settle(null);
    else if (message.t === 'refused') this.#settle(new SandboxError('INTERNAL', message.cause));
    else if (message.t === 'taken') this.#taken();
    else this.#options.onMessage(message);
  }

  /** Only one socket is ever under way, so a death loses none without closing it. */
  #giveNext(): void {
    const next = this.#waiting[0];
    if (next === undefined) return;
    this.#cancelTaken = this.#options.clock.after(TAKEN_LIMIT_MS, () => {
      this.#options.log.error({ pid: this.pid }, 'egress process takes no connection; it is ended');
      this.kill();
    });
    if (next.socket.destroyed) return this.#taken();
    this.#process.send({ t: 'connection', sandbox: next.sandbox } satisfies ToEgress, next.socket, (error) => {
      if (error !== null) next.socket.destroy();
    });
  }

  #taken(): void {
    this.#cancelTaken?.();
    this.#waiting.shift();
    this.#giveNext();
  }

  #onExit(cause: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTaken?.();
    for (const { socket } of this.#waiting.splice(0)) socket.destroy();
    if (this.#stderr !== '') this.#options.log.warn({ stderr: this.#stderr }, 'last words of the egress process');
    this.#settle(new SandboxError('INTERNAL', cause));
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#options.onExit(cause);
  }

  /** The kernel's word on it, not its own; null: as it must be. */
  async #rightsOf(hasNoNewPrivs: boolean): Promise<string | null> {
    const { uid, gid } = this.#options.configuration.identity;
    const status = await readFile(`/proc/${this.pid ?? 0}/status`, 'utf8').catch(() => '');
    const line = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1] ?? '';
    const isOf = (text: string, id: number): boolean => text === Array.from({ length: 4 }, () => id).join('\t');
    if (!isOf(line('Uid'), uid) || !isOf(line('Gid'), gid)) return `its identity is ${line('Uid')} and not ${uid}`;
    if (!['', String(gid)].includes(line('Groups'))) return 'it has groups';
    if (hasNoNewPrivs && line('NoNewPrivs') !== '1') return 'it may gain rights';
    return rightsLeft(status);
  }
}
