// One exec as the test peer of cloister-init sees it: its START, its output by stream, its one EXIT.

import { DOWN, FLAG, UP } from '../../daemon/link/frames.ts';
import type { Frame } from './init-frame.ts';

const START_BYTES = 32;
const CREDIT_EVERY_BYTES = 128 * 1024;
const REASONS = ['self', 'wall', 'idle', 'killed', 'supervisorLost', 'notStarted', 'pids'] as const;

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: boolean;
  readonly pty?: { readonly columns: number; readonly rows: number };
  readonly wallMs?: number;
  readonly idleMs?: number;
  readonly graceMs?: number;
}

export interface ExitReport {
  readonly code: number | null;
  readonly signal: number | null;
  readonly reason: (typeof REASONS)[number] | undefined;
  readonly oomLike: boolean;
  readonly error: number;
  readonly stage: number;
  readonly outputBytes: number;
  readonly stderrBytes: number;
  readonly maxRssKib: number;
  readonly lingering: number;
}

/** What an exec needs of the peer that started it. */
export interface ExecPeer {
  send(type: number, flags: number, id: number, body?: Buffer): void;
  credit(exec: InitExec): void;
}

export class InitExec {
  readonly id: number;
  readonly body: Buffer;
  readonly exit: Promise<ExitReport>;
  /** No descendant is left. */
  readonly gone: Promise<void>;
  readonly started: Promise<number>;
  received = 0;
  exits = 0;
  stdinTaken = 0;
  stdinClosed = false;
  /** False: neither credit nor acknowledgement is sent by itself. */
  replies = true;
  readonly #peer: ExecPeer;
  readonly #chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  readonly #settle: { exit: (r: ExitReport) => void; gone: () => void; started: (pid: number) => void };
  #wake = (): void => undefined;

  constructor(peer: ExecPeer, id: number, body: Buffer) {
    this.#peer = peer;
    this.id = id;
    this.body = body;
    const settle = { exit: (_: ExitReport): void => undefined, gone: (): void => undefined, started: (_: number): void => undefined };
    this.exit = new Promise((resolve) => (settle.exit = resolve));
    this.gone = new Promise((resolve) => (settle.gone = resolve));
    this.started = new Promise((resolve) => (settle.started = resolve));
    this.#settle = settle;
  }

  get stdout(): string {
    return Buffer.concat(this.#chunks.stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#chunks.stderr).toString();
  }

  /** EXIT, with nothing of the command left. */
  async end(): Promise<ExitReport> {
    await this.gone;
    return this.exit;
  }

  /** Resolves when what came so far satisfies the condition. */
  async until(condition: (exec: InitExec) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  write(bytes: Buffer | string, eof = false): void {
    this.#peer.send(DOWN.stdin, eof ? FLAG.eof : 0, this.id, Buffer.from(bytes));
  }

  /** True: the frame was this exec's. */
  take(frame: Frame): boolean {
    switch (frame.type) {
      case UP.started:
        this.#settle.started(frame.body.readUInt32LE(0));
        break;
      case UP.output:
        this.#takeOutput(frame);
        break;
      case UP.stdinCredit:
        this.stdinTaken = Number(frame.body.readBigUInt64LE(0));
        this.stdinClosed ||= (frame.flags & FLAG.eof) !== 0;
        break;
      case UP.exit:
        this.#takeExit(frame.body);
        break;
      case UP.exitGone:
        this.#settle.gone();
        break;
      default:
        return false;
    }
    this.#wake();
    return true;
  }

  #takeOutput(frame: Frame): void {
    const offset = Number(frame.body.readBigUInt64LE(0));
    if (offset !== this.received) throw new Error(`OUTPUT at ${offset} where ${this.received} is next`);
    const bytes = Buffer.from(frame.body.subarray(8));
    this.#chunks[(frame.flags & FLAG.stderr) !== 0 ? 'stderr' : 'stdout'].push(bytes);
    const before = Math.floor(this.received / CREDIT_EVERY_BYTES);
    this.received += bytes.length;
    if (this.replies && Math.floor(this.received / CREDIT_EVERY_BYTES) > before) this.#peer.credit(this);
  }

  #takeExit(body: Buffer): void {
    const report = exitReport(body);
    this.exits += 1;
    if (report.lingering === 0) this.#settle.gone();
    if (this.replies) this.#peer.send(DOWN.exitAck, 0, this.id);
    this.#settle.exit(report);
  }
}

export function startBody(argv: readonly string[], options: StartOptions): Buffer {
  const env = options.env ?? { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp' };
  const head = Buffer.alloc(START_BYTES);
  head.writeUInt8(options.stdin === true ? 1 : 0, 0);
  head.writeUInt8(options.pty === undefined ? 0 : 1, 1);
  head.writeUInt16LE(options.pty?.columns ?? 0, 2);
  head.writeUInt16LE(options.pty?.rows ?? 0, 4);
  head.writeUInt16LE(argv.length, 6);
  head.writeUInt16LE(Object.keys(env).length, 8);
  head.writeUInt32LE(options.wallMs ?? 0, 12);
  head.writeUInt32LE(options.idleMs ?? 0, 16);
  head.writeUInt32LE(options.graceMs ?? 2000, 20);
  const strings = [options.cwd ?? '/workspace', ...argv, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  return Buffer.concat([head, ...strings.map((text) => Buffer.from(`${text}\0`))]);
}

function exitReport(body: Buffer): ExitReport {
  const status = body.readInt32LE(0);
  const signal = status & 0x7f;
  return {
    code: signal === 0 ? (status >> 8) & 0xff : null,
    signal: signal === 0 ? null : signal,
    reason: REASONS[body.readUInt8(4)],
    oomLike: body.readUInt8(5) === 1,
    error: body.readUInt16LE(6),
    outputBytes: Number(body.readBigUInt64LE(8)),
    stderrBytes: Number(body.readBigUInt64LE(16)),
    maxRssKib: Number(body.readBigUInt64LE(40)),
    lingering: body.readUInt32LE(56),
    stage: body.readUInt32LE(60),
  };
}
