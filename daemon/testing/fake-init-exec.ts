// One command of the fake init: a child process with its output window, limits and exit report.
// Owns the process group; knows nothing of connections but how to send.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { kill } from 'node:process';
import { EXIT_BYTES, FLAG, MAX_DATA, UP, WINDOW_BYTES, writeU64 } from '../link/frames.ts';
import { EXIT_REASONS } from '../link/messages.ts';
import type { ExitReason } from '../link/messages.ts';
import { readStart } from './fake-init-start.ts';
import type { Stand } from './fake-init-start.ts';
import { u32, u64 } from './fake-init-wire.ts';
import type { SendUp } from './fake-init-wire.ts';

const DRAIN_MS = 200;
const GONE_POLL_MS = 20;
const STAGE_CWD = 2;
const STAGE_EXEC = 4;

export interface FakeExecOptions {
  readonly id: number;
  readonly body: Buffer;
  readonly workspace: string;
  readonly stand?: Stand | undefined;
  readonly send: SendUp;
  readonly onForgotten: () => void;
}

interface Chunk {
  readonly offset: number;
  readonly isStderr: boolean;
  readonly bytes: Buffer;
}

export class FakeExec {
  readonly #options: FakeExecOptions;
  readonly #child: ChildProcess | null = null;
  readonly #startedAt = performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  #kept: Chunk[] = [];
  #end = 0;
  #sent = 0;
  #credited = 0;
  #stderrBytes = 0;
  #stdinTaken = 0;
  #hasStdin = false;
  #isHeld = false;
  #reason: ExitReason = 'self';
  #graceMs: number;
  #idleMs: number;
  #idleTimer: NodeJS.Timeout | null = null;
  #exit: Buffer | null = null;
  #isExitSent = false;
  #isGone = false;
  #isAcknowledged = false;
  #isOver = false;

  constructor(options: FakeExecOptions) {
    this.#options = options;
    const { body } = options;
    const { cwd, argv, env, hasStdin, wallMs, idleMs, graceMs } = readStart(body, options.workspace, options.stand);
    const [file = '', ...args] = argv;
    this.#graceMs = graceMs;
    this.#idleMs = idleMs;
    this.#hasStdin = hasStdin;
    if (!existsSync(cwd)) {
      this.#notStarted(STAGE_CWD, constants.errno.ENOENT);
      return;
    }
    const child = spawn(file, args, { cwd, env, detached: true, stdio: [this.#hasStdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) this.#notStarted(STAGE_EXEC, Math.abs(error.errno ?? constants.errno.ENOENT));
    });
    if (child.pid === undefined) return;
    options.send(UP.started, 0, options.id, u32(child.pid));
    child.stdout?.on('data', (bytes: Buffer) => this.#read(bytes, false));
    child.stderr?.on('data', (bytes: Buffer) => this.#read(bytes, true));
    child.stdin?.on('error', () => options.send(UP.stdinCredit, FLAG.eof, options.id, u64(this.#stdinTaken)));
    child.once('exit', (code, signal) => {
      const status = signal === null ? (code ?? 0) << 8 : constants.signals[signal];
      child.once('close', () => this.#exited(status));
      this.#drain(status);
    });
    if (wallMs > 0) this.#after(wallMs, () => this.#limit('wall'));
    this.#restartIdle();
  }

  status(bytes: number): Buffer {
    const body = Buffer.alloc(bytes);
    body.writeUInt32LE(this.#options.id, 0);
    body[4] = this.#exit === null ? 0 : this.#isAcknowledged ? 2 : 1;
    writeU64(body, this.#credited, 8);
    writeU64(body, this.#end, 16);
    return body;
  }

  /** The connection is gone: nothing is sent until the daemon says from where. */
  disconnected(): void {
    this.#isHeld = true;
    this.#isExitSent = false;
  }

  connected(): void {
    if (this.#hasStdin && this.#exit === null) this.#options.send(UP.stdinCredit, 0, this.#options.id, u64(this.#stdinTaken));
  }

  repeat(): void {
    this.#isExitSent = false;
    if (this.#exit === null) this.#options.send(UP.started, 0, this.#options.id, u32(this.#child?.pid ?? 0));
    else this.#pump();
  }

  stdin(bytes: Buffer, isEof: boolean): void {
    const { stdin } = this.#child ?? {};
    if (stdin === null || stdin === undefined || stdin.destroyed || stdin.writableEnded) return;
    if (bytes.length > 0) {
      stdin.write(Buffer.from(bytes), (error) => {
        if (error !== null && error !== undefined) return;
        this.#stdinTaken += bytes.length;
        if (this.#exit === null) this.#options.send(UP.stdinCredit, 0, this.#options.id, u64(this.#stdinTaken));
      });
    }
    if (isEof) stdin.end();
  }

  kill(isTree: boolean, signal: number, graceMs: number): void {
    if (!isTree) this.#signal(signal);
    else {
      if (this.#exit === null && this.#reason === 'self') this.#reason = 'killed';
      this.#endTree(signal, graceMs);
    }
  }

  credit(offset: number, isRewind: boolean): void {
    this.#credited = Math.max(this.#credited, offset);
    this.#kept = this.#kept.filter((chunk) => chunk.offset + chunk.bytes.length > this.#credited);
    if (isRewind) {
      this.#sent = Math.max(offset, this.#credited);
      this.#isHeld = false;
    }
    this.#pump();
  }

  acknowledge(): void {
    this.#isAcknowledged = true;
    this.#forgetIfDone();
  }

  async destroy(): Promise<void> {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    const child = this.#child;
    if (child === null || child.pid === undefined) return;
    const closed = new Promise((resolve) => child.once('exit', resolve));
    this.#signal(constants.signals.SIGKILL);
    if (child.exitCode === null && child.signalCode === null) await closed;
  }

  #read(bytes: Buffer, isStderr: boolean): void {
    if (this.#exit !== null) return;
    this.#kept.push({ offset: this.#end, isStderr, bytes });
    this.#end += bytes.length;
    if (isStderr) this.#stderrBytes += bytes.length;
    this.#restartIdle();
    this.#pump();
  }

  #pump(): void {
    if (this.#isHeld) return;
    for (const { offset, isStderr, bytes } of this.#kept) {
      let at = Math.max(this.#sent - offset, 0);
      while (at < bytes.length && this.#sent < this.#credited + WINDOW_BYTES) {
        const size = Math.min(bytes.length - at, MAX_DATA, this.#credited + WINDOW_BYTES - this.#sent);
        this.#options.send(
          UP.output,
          isStderr ? FLAG.stderr : 0,
          this.#options.id,
          Buffer.concat([u64(this.#sent), bytes.subarray(at, at + size)]),
        );
        this.#sent += size;
        at += size;
      }
    }
    const isFull = this.#end >= this.#credited + WINDOW_BYTES;
    for (const pipe of [this.#child?.stdout, this.#child?.stderr]) {
      if (isFull) pipe?.pause();
      else pipe?.resume();
    }
    if (this.#exit === null || this.#isExitSent || this.#sent < this.#end) return;
    this.#isExitSent = true;
    this.#options.send(UP.exit, 0, this.#options.id, this.#exit);
  }

  /** What a full window holds back is not lost: it waits for credit. */
  #drain(status: number): void {
    this.#after(DRAIN_MS, () => {
      if (this.#end >= this.#credited + WINDOW_BYTES) this.#drain(status);
      else this.#exited(status);
    });
  }

  #exited(status: number): void {
    if (this.#exit !== null || this.#isOver) return;
    for (const pipe of [this.#child?.stdout, this.#child?.stderr]) pipe?.removeAllListeners('data').resume();
    const lingering = this.#signal(0) ? 1 : 0;
    this.#report(status, this.#reason, lingering, 0, 0);
    this.#isGone = lingering === 0;
    this.#pump();
    if (!this.#isGone) this.#watchGone();
  }

  #notStarted(stage: number, errno: number): void {
    this.#isGone = true;
    this.#report(0, 'notStarted', 0, errno, stage);
    this.#pump();
  }

  #report(status: number, reason: ExitReason, lingering: number, errno: number, stage: number): void {
    const body = Buffer.alloc(EXIT_BYTES);
    body.writeInt32LE(status, 0);
    body[4] = EXIT_REASONS.indexOf(reason);
    body[5] = status === constants.signals.SIGKILL && reason === 'self' ? 1 : status === 137 << 8 ? 1 : 0;
    body.writeUInt16LE(errno, 6);
    writeU64(body, this.#end, 8);
    writeU64(body, this.#stderrBytes, 16);
    writeU64(body, 1000, 24);
    writeU64(body, 1000, 32);
    writeU64(body, 1024, 40);
    writeU64(body, Math.round((performance.now() - this.#startedAt) * 1000), 48);
    body.writeUInt32LE(lingering, 56);
    body.writeUInt32LE(stage, 60);
    this.#exit = body;
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
  }

  #watchGone(): void {
    this.#after(GONE_POLL_MS, () => {
      if (this.#signal(0)) this.#watchGone();
      else {
        this.#isGone = true;
        this.#options.send(UP.exitGone, 0, this.#options.id);
        this.#forgetIfDone();
      }
    });
  }

  #forgetIfDone(): void {
    if (this.#isGone && this.#isAcknowledged) this.#options.onForgotten();
  }

  #limit(reason: 'wall' | 'idle'): void {
    if (this.#exit !== null) return;
    this.#reason = reason;
    this.#endTree(constants.signals.SIGTERM, this.#graceMs);
  }

  #endTree(signal: number, graceMs: number): void {
    this.#signal(graceMs === 0 ? constants.signals.SIGKILL : signal);
    this.#after(graceMs, () => this.#signal(constants.signals.SIGKILL));
  }

  #restartIdle(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    if (this.#idleMs > 0) this.#idleTimer = setTimeout(() => this.#limit('idle'), this.#idleMs);
  }

  /** To the process group; false if there is none. */
  #signal(signal: number): boolean {
    const pid = this.#child?.pid;
    if (pid === undefined) return false;
    try {
      kill(-pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) act();
    }, ms);
    this.#timers.add(timer);
  }
}
