// The daemon's half of the conversation with one sandbox's cloister-init; survives reconnects.
// Owns the link's state and routes messages. Treats init as hostile: what it must not send fails the sandbox, never the daemon.

import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { Clock } from '../observe/clock.ts';
import { decodeStatus } from './decode.ts';
import type { DialStream } from './dial-stream.ts';
import { encodeResize, encodeStart, encodeU64 } from './encode.ts';
import type { FrameSender } from './frame-sender.ts';
import { ExecChannels } from './exec-channels.ts';
import type { FileExchange } from './file-exchange.ts';
import { DOWN, LinkViolation, UP, encodeFrame, readU64 } from './frames.ts';
import type { FramedSocket, FramedSocketListener } from './framed-socket.ts';
import { Heartbeat } from './heartbeat.ts';
import type { ExecEvents, FileRequest, KillCommand, SelfReport, StartCommand } from './messages.ts';
import { SelfReports } from './self-reports.ts';
import { LinkStreams } from './streams.ts';
import { LinkWaiters } from './link-waiters.ts';

const DOWN_LIMIT_MS = 30_000;
const UP_WAIT_MS = 10_000;

/** `connecting`: init never came; `down`: it will come back; `failed` and `closed` are final. */
export type LinkState = 'connecting' | 'up' | 'down' | 'failed' | 'closed';

export interface SandboxLinkOptions {
  readonly sandboxId: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Once, after every command has been told that it is lost. */
  readonly onFailed?: ((reason: string) => void) | undefined;
  readonly onState?: ((state: LinkState) => void) | undefined;
  /** Milliseconds that a lost connection may take to come back. */
  readonly downLimitMs?: number | undefined;
}

export class SandboxLink {
  readonly sandboxId: string;
  readonly #options: SandboxLinkOptions;
  readonly #execs: ExecChannels;
  readonly #streams: LinkStreams;
  readonly #heartbeat: Heartbeat;
  readonly #waiters = new LinkWaiters();
  readonly #reports = new SelfReports();
  #state: LinkState = 'connecting';
  #failure: string | null = null;
  #connection: FramedSocket | null = null;
  /** True between WELCOME and STATUS. */
  #awaitsStatus = false;
  #areClocksStopped = false;
  #cancelDownLimit: (() => void) | null = null;

  constructor(options: SandboxLinkOptions) {
    this.sandboxId = options.sandboxId;
    this.#options = options;
    const sender: FrameSender = {
      send: (frame) => {
        if (this.#state === 'up') this.#connection?.send(frame);
      },
      sendData: (type, flags, id, payload) => {
        if (this.#state === 'up') this.#connection?.sendData(type, flags, id, payload);
      },
    };
    this.#execs = new ExecChannels(sender);
    this.#streams = new LinkStreams(sender);
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      sendPing: (cookie) => this.#connection?.send(encodeU64(DOWN.ping, 0, 0, cookie)),
      onSilence: () => this.#fail('cloister-init does not answer'),
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  get areClocksStopped(): boolean {
    return this.#areClocksStopped;
  }

  /** Why the link failed; null unless it has. */
  get failure(): string | null {
    return this.#failure;
  }

  /** SANDBOX_FAILED if it does not come up in time or never can. */
  waitUntilUp(options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined }): Promise<void> {
    if (this.#state === 'up') return Promise.resolve();
    if (this.#isOver) return Promise.reject(this.#error('use the sandbox'));
    return this.#waiters.wait(this.#options.clock, options.timeoutMs, options.signal);
  }

  /** Runs a command under a number never used before. If the connection is away it starts when it is back. */
  start(number: number, command: StartCommand, events: ExecEvents): void {
    if (this.#isOver) throw this.#error('start the command');
    if (this.#execs.isFull)
      throw new SandboxError('QUOTA_EXCEEDED', 'Cannot start the command: too many commands run or have left processes behind');
    const channel = this.#execs.add(number, events, encodeStart(number, command));
    if (this.#state === 'up') channel.start();
  }

  /** Takes over a command that an earlier daemon started. Before init connects. */
  adopt(number: number, events: ExecEvents): void {
    this.#execs.add(number, events, null);
  }

  /** Bytes of stdin that can be passed on now. */
  stdinRoom(number: number): number {
    return this.#execs.get(number)?.stdinRoom ?? 0;
  }

  /** At most stdinRoom bytes, which must not be changed afterwards. */
  stdin(number: number, bytes: Uint8Array, isEof: boolean): void {
    this.#execs.get(number)?.writeStdin(bytes, isEof);
  }

  /** Answers false if it could not be sent; a tree is then ended as soon as the connection is back. */
  kill(number: number, kill: KillCommand): boolean {
    this.#execs.get(number)?.kill(kill);
    return this.#state === 'up';
  }

  /** All output before `offset` is durable. */
  credit(number: number, offset: number): void {
    this.#execs.get(number)?.credit(offset);
  }

  resize(number: number, columns: number, rows: number): void {
    if (this.#state === 'up') this.#connection?.send(encodeResize(number, columns, rows));
  }

  /** The exit is durable. */
  exitAck(number: number): void {
    this.#execs.acknowledge(number);
  }

  /** A stream to 127.0.0.1:port in the sandbox. NOT_FOUND if nothing answers there. */
  async dial(port: number, signal?: AbortSignal): Promise<DialStream> {
    await this.waitUntilUp({ timeoutMs: UP_WAIT_MS, signal });
    return await this.#streams.dial(port, signal);
  }

  async file(request: FileRequest, signal?: AbortSignal): Promise<FileExchange> {
    if (this.#state !== 'up') await this.waitUntilUp({ timeoutMs: UP_WAIT_MS, signal });
    return await this.#streams.file(request, signal);
  }

  async report(): Promise<SelfReport> {
    await this.waitUntilUp({ timeoutMs: UP_WAIT_MS });
    return await this.#reports.next(() => this.#connection?.send(encodeFrame(DOWN.report, 0, 0)));
  }

  /** Milliseconds of a round trip. */
  async ping(): Promise<number> {
    await this.waitUntilUp({ timeoutMs: UP_WAIT_MS });
    return await this.#heartbeat.ping();
  }

  /** Before the container is paused: limits stand still, silence is expected. Resolves when init has it. */
  async stopClocks(): Promise<void> {
    await this.waitUntilUp({ timeoutMs: UP_WAIT_MS });
    this.#areClocksStopped = true;
    this.#sendClock();
    await this.#heartbeat.ping();
    this.#heartbeat.suspend();
  }

  /** After the container runs again. */
  startClocks(): void {
    this.#areClocksStopped = false;
    if (this.#state !== 'up') return;
    this.#sendClock();
    this.#heartbeat.start();
  }

  /** The sandbox is over. Commands that run end as lost. */
  close(reason = 'the sandbox was closed'): void {
    if (!this.#isOver) this.#finish('closed', reason);
  }

  /** What init answered breaks the protocol in a way only the reader of the answer could see. */
  distrust(reason: string): void {
    this.#fail(reason);
  }

  /** This daemon leaves and the sandbox stays: commands go on and nobody is told anything. */
  detach(): void {
    if (this.#isOver) return;
    this.#failure = 'the daemon is stopping';
    this.#cancelDownLimit?.();
    this.#setState('closed');
    this.#dropConnection(this.#failure);
    this.#waiters.fail(this.#error('use the sandbox'));
  }

  /** From the control listener: init has proved itself on a new connection, which replaces the old one. */
  accept(connection: FramedSocket): FramedSocketListener {
    if (this.#isOver) connection.destroy();
    else {
      this.#disconnect('cloister-init connected again');
      this.#connection = connection;
      this.#awaitsStatus = true;
      if (!this.#areClocksStopped) this.#heartbeat.start();
    }
    return {
      frame: (type, flags, id, body) => this.#guard(connection, () => this.#frame(type, flags, id, body)),
      data: (type, flags, id, offset, bytes, isLast) => this.#guard(connection, () => this.#data(type, flags, id, offset, bytes, isLast)),
      ended: (violation) => {
        if (connection !== this.#connection) return;
        if (violation !== null) this.#fail(violation.message);
        else this.#disconnect('the connection to cloister-init ended');
      },
    };
  }

  get #isOver(): boolean {
    return this.#state === 'failed' || this.#state === 'closed';
  }

  #guard(connection: FramedSocket, act: () => void): void {
    if (connection === this.#connection) act();
  }

  #frame(type: number, flags: number, id: number, body: Buffer): void {
    if (this.#awaitsStatus !== (type === UP.status)) throw new LinkViolation('STATUS must come first and once');
    if (type === UP.status) this.#greeted(body);
    else if (this.#execs.frame(type, flags, id, body) || this.#streams.frame(type, id, body)) return;
    else if (type === UP.pong) this.#heartbeat.pong(readU64(body, 0));
    else if (type === UP.selfReport) this.#reports.answer(body);
  }

  #data(type: number, flags: number, id: number, offset: number, bytes: Buffer, isLast: boolean): void {
    if (this.#awaitsStatus) throw new LinkViolation('STATUS must come first and once');
    if (type === UP.output) this.#execs.output(flags, id, offset, bytes);
    else this.#streams.data(type, flags, id, bytes, isLast);
  }

  #greeted(body: Buffer): void {
    const statuses = decodeStatus(body);
    this.#awaitsStatus = false;
    this.#cancelDownLimit?.();
    this.#cancelDownLimit = null;
    this.#setState('up');
    if (this.#areClocksStopped) this.#sendClock();
    this.#execs.reconnected(statuses);
    this.#waiters.succeed();
  }

  #sendClock(): void {
    this.#connection?.send(encodeFrame(DOWN.clock, 0, 0, Uint8Array.of(this.#areClocksStopped ? 0 : 1)));
  }

  #disconnect(reason: string): void {
    if (this.#connection === null) return;
    const wasUp = this.#state === 'up';
    if (wasUp) this.#setState('down');
    this.#dropConnection(reason);
    if (!wasUp || this.#cancelDownLimit !== null) return;
    this.#cancelDownLimit = this.#options.clock.after(this.#options.downLimitMs ?? DOWN_LIMIT_MS, () => {
      if (this.#state === 'down' && !this.#areClocksStopped) this.#fail('cloister-init did not come back');
    });
  }

  #dropConnection(reason: string): void {
    this.#connection?.destroy();
    this.#connection = null;
    this.#heartbeat.stop(reason);
    this.#streams.lost(reason);
    this.#reports.lost(reason);
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#options.log.warn({ sandboxId: this.sandboxId, reason }, 'sandbox link failed');
    this.#finish('failed', reason);
    this.#options.onFailed?.(reason);
  }

  #finish(state: 'failed' | 'closed', reason: string): void {
    this.#failure = reason;
    this.#cancelDownLimit?.();
    this.#setState(state);
    this.#dropConnection(reason);
    this.#execs.lost(reason);
    this.#waiters.fail(this.#error('use the sandbox'));
  }

  #setState(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #error(verb: string): SandboxError {
    return new SandboxError('SANDBOX_FAILED', `Cannot ${verb}: ${this.#failure ?? 'the sandbox is over'}`);
  }
}
