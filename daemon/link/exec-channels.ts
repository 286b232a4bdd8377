// All commands of one link by number: routes what init says to their channels and refuses what fits none.
// Owns who is known, orphaned or just forgotten; a channel owns its own history.

import { decodeExit } from './decode.ts';
import { encodeKill, encodeU64 } from './encode.ts';
import { ExecChannel } from './exec-channel.ts';
import type { FrameSender } from './frame-sender.ts';
import { DOWN, FLAG, LinkViolation, MAX_EXECS, UP, encodeFrame, readU64 } from './frames.ts';
import type { ExecEvents, ExecStatus } from './messages.ts';

const SIGTERM = 15;
const ORPHAN_GRACE_MS = 2_000;
const MAX_FORGOTTEN = 256;

export class ExecChannels {
  readonly #sender: FrameSender;
  readonly #channels = new Map<number, ExecChannel>();
  /** What init runs and nobody here knows: being ended; its frames are ignored on this connection. */
  #orphans = new Set<number>();
  /** Acknowledged a moment ago; a last EXIT_GONE of these may be under way. */
  readonly #forgotten = new Set<number>();

  constructor(sender: FrameSender) {
    this.#sender = sender;
  }

  get isFull(): boolean {
    return this.#channels.size >= MAX_EXECS;
  }

  add(number: number, events: ExecEvents, startFrame: Buffer | null): ExecChannel {
    const channel = new ExecChannel(number, events, this.#sender, startFrame);
    this.#channels.set(number, channel);
    return channel;
  }

  get(number: number): ExecChannel | undefined {
    return this.#channels.get(number);
  }

  acknowledge(number: number): void {
    const channel = this.#channels.get(number);
    channel?.acknowledge();
    if (channel?.isDone === true) this.#forget(number);
  }

  reconnected(statuses: readonly ExecStatus[]): void {
    const reported = new Map(statuses.map((status) => [status.number, status]));
    this.#orphans = new Set();
    for (const number of reported.keys()) {
      if (this.#channels.has(number)) continue;
      this.#orphans.add(number);
      this.#sender.send(encodeU64(DOWN.credit, FLAG.rewind, number, reported.get(number)?.end ?? 0));
      this.#sender.send(encodeKill(number, { mode: 'tree', signal: SIGTERM, graceMs: ORPHAN_GRACE_MS }));
      this.#sender.send(encodeFrame(DOWN.exitAck, 0, number));
    }
    for (const [number, channel] of [...this.#channels]) {
      if (!channel.reconnected(reported.get(number))) this.#forget(number);
    }
  }

  /** Answers false if the type is not about a command. */
  frame(type: number, flags: number, number: number, body: Buffer): boolean {
    if (type !== UP.started && type !== UP.exit && type !== UP.stdinCredit && type !== UP.exitGone) return false;
    const channel = this.#channels.get(number);
    if (channel === undefined) {
      this.#refuseUnknown(type, number);
      return true;
    }
    if (type === UP.started) channel.started(body.readUInt32LE(0));
    else if (type === UP.exit) channel.exit(decodeExit(body));
    else if (type === UP.stdinCredit) channel.stdinCredit(readU64(body, 0), (flags & FLAG.eof) !== 0);
    else channel.gone();
    if (channel.isDone) this.#forget(number);
    return true;
  }

  output(flags: number, number: number, offset: number, bytes: Buffer): void {
    const channel = this.#channels.get(number);
    if (channel === undefined) this.#refuseUnknown(UP.output, number);
    else channel.output(offset, (flags & FLAG.stderr) === 0 ? 'stdout' : 'stderr', bytes);
  }

  lost(reason: string): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) channel.lost(reason);
  }

  #refuseUnknown(type: number, number: number): void {
    if (this.#orphans.has(number)) {
      // An orphan has nobody to give it credit, so its output is let through and dropped until it has ended.
      if (type === UP.exit) this.#sender.send(encodeFrame(DOWN.exitAck, 0, number));
      return;
    }
    if (type === UP.exitGone && this.#forgotten.delete(number)) return;
    throw new LinkViolation(`a frame of type 0x${type.toString(16)} names exec ${number}, which is unknown`);
  }

  #forget(number: number): void {
    this.#channels.delete(number);
    this.#forgotten.add(number);
    for (const oldest of this.#forgotten) {
      if (this.#forgotten.size <= MAX_FORGOTTEN) break;
      this.#forgotten.delete(oldest);
    }
  }
}
