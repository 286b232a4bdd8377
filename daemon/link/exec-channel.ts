// The history of one command on the link: which message may come next, and what to send again after a reconnect.
// Init is hostile here: every offset and credit is checked. Knows nothing of spools, outcomes or clients.

import { encodeKill, encodeU64 } from './encode.ts';
import type { FrameSender } from './frame-sender.ts';
import { DOWN, FLAG, LinkViolation, STDIN_WINDOW_BYTES, WINDOW_BYTES, encodeFrame } from './frames.ts';
import type { ExecEvents, ExecStatus, ExitReport, KillCommand, OutputStream } from './messages.ts';
import { StdinWindow } from './stdin-window.ts';

/** `adopting`: known from the journal of an earlier daemon, not yet confirmed by init. */
type Phase = 'adopting' | 'starting' | 'running' | 'exited' | 'acknowledged';

export class ExecChannel {
  readonly number: number;
  readonly #events: ExecEvents;
  readonly #sender: FrameSender;
  readonly #stdin: StdinWindow;
  #phase: Phase;
  /** START, until init is known to have it. */
  #startFrame: Buffer | null;
  #credited = 0;
  /** Offset handed to `events` so far. */
  #end = 0;
  /** Offset that init sends next. */
  #expected = 0;
  /** Where init was told to begin again on this connection; null: it was not. */
  #rewoundTo: number | null = null;
  /** Bytes that may still come twice or out of place, because they crossed the rewind. */
  #strayBudget = 0;
  #heldExit: ExitReport | null = null;
  #hasExitOnConnection = false;
  #isGone = false;
  #tree: KillCommand | null = null;

  constructor(number: number, events: ExecEvents, sender: FrameSender, startFrame: Buffer | null) {
    this.number = number;
    this.#events = events;
    this.#sender = sender;
    this.#startFrame = startFrame;
    this.#phase = startFrame === null ? 'adopting' : 'starting';
    this.#stdin = new StdinWindow(number, sender, STDIN_WINDOW_BYTES, startFrame !== null);
  }

  get stdinRoom(): number {
    return this.#stdin.room;
  }

  /** True once nothing about this command can come any more. */
  get isDone(): boolean {
    return this.#phase === 'acknowledged' && this.#isGone;
  }

  start(): void {
    if (this.#startFrame !== null) this.#sender.send(this.#startFrame);
  }

  writeStdin(bytes: Uint8Array, isEof: boolean): void {
    this.#stdin.write(bytes, isEof);
  }

  kill(kill: KillCommand): void {
    if (kill.mode === 'tree') this.#tree = kill;
    this.#sender.send(encodeKill(this.number, kill));
  }

  credit(offset: number): void {
    if (offset <= this.#credited || offset > this.#end) return;
    this.#credited = offset;
    if (this.#phase !== 'exited') this.#sender.send(encodeU64(DOWN.credit, 0, this.number, offset));
  }

  acknowledge(): void {
    if (this.#phase !== 'exited') return;
    this.#phase = 'acknowledged';
    this.#sender.send(encodeFrame(DOWN.exitAck, 0, this.number));
  }

  /** After a reconnect: what init says of it, or nothing. Answers false if nothing more can come. */
  reconnected(status: ExecStatus | undefined): boolean {
    this.#hasExitOnConnection = false;
    if (status === undefined) return this.#missing();
    if (this.#phase === 'acknowledged') {
      // Init may repeat all it has until it sees the acknowledgement again.
      this.#rewoundTo = 0;
      this.#strayBudget = 2 * WINDOW_BYTES;
      this.#sender.send(encodeFrame(DOWN.exitAck, 0, this.number));
      return true;
    }
    if (this.#phase === 'adopting') this.#adopt(status);
    if (this.#phase === 'starting') this.#confirmStart();
    if (status.end < this.#credited || status.credited > this.#end)
      throw new LinkViolation(`exec ${this.number}: its status contradicts the credit given`);
    this.#rewoundTo = this.#credited;
    this.#expected = this.#credited;
    this.#strayBudget = 2 * WINDOW_BYTES;
    this.#sender.send(encodeU64(DOWN.credit, FLAG.rewind, this.number, this.#credited));
    if (this.#phase === 'running') {
      this.#stdin.reconnected();
      if (this.#tree !== null) this.#sender.send(encodeKill(this.number, this.#tree));
    }
    return true;
  }

  started(pid: number): void {
    if (this.#phase === 'starting') this.#confirmStart();
    else if (this.#rewoundTo === null) throw new LinkViolation(`exec ${this.number}: STARTED twice`);
    this.#events.started(pid);
  }

  output(offset: number, stream: OutputStream, bytes: Buffer): void {
    if (this.#phase === 'starting') this.#confirmStart();
    const end = offset + bytes.length;
    if (offset !== this.#expected && !this.#isStray(offset, bytes.length)) {
      throw new LinkViolation(`exec ${this.number}: output at ${offset} where ${this.#expected} is due`);
    }
    if (offset > this.#expected) return;
    this.#expected = Math.max(this.#expected, end);
    if (end <= this.#end) return;
    if (this.#phase !== 'running') throw new LinkViolation(`exec ${this.number}: output after EXIT`);
    if (end > this.#credited + WINDOW_BYTES) throw new LinkViolation(`exec ${this.number}: output beyond its window`);
    if (this.#heldExit !== null && end > this.#heldExit.outputBytes)
      throw new LinkViolation(`exec ${this.number}: more output than EXIT counts`);
    const fresh = bytes.subarray(this.#end - offset);
    const from = this.#end;
    this.#end = end;
    this.#events.output(from, stream, fresh);
    if (this.#heldExit?.outputBytes === end) this.#finish(this.#heldExit);
  }

  exit(report: ExitReport): void {
    if (this.#phase === 'starting') this.#confirmStart();
    if (this.#rewoundTo === null) {
      if (this.#phase !== 'running') throw new LinkViolation(`exec ${this.number}: EXIT twice`);
      if (report.outputBytes !== this.#end)
        throw new LinkViolation(`exec ${this.number}: EXIT counts ${report.outputBytes} bytes of output, ${this.#end} came`);
      this.#finish(report);
      return;
    }
    // An EXIT repeated after a reconnect may overtake the output that is sent again: it then waits for it.
    if (report.outputBytes < this.#end || (this.#hasExitOnConnection && this.#heldExit === null && this.#phase === 'running')) {
      throw new LinkViolation(`exec ${this.number}: EXIT contradicts what came before`);
    }
    this.#hasExitOnConnection = true;
    if (this.#phase !== 'running') return;
    if (report.outputBytes === this.#end) this.#finish(report);
    else this.#heldExit = report;
  }

  stdinCredit(offset: number, isClosed: boolean): void {
    if (this.#phase === 'starting') this.#confirmStart();
    this.#stdin.credit(offset, isClosed);
    if (this.#phase === 'running') this.#events.stdinTaken(offset, isClosed);
  }

  gone(): void {
    if (this.#phase !== 'exited' && this.#phase !== 'acknowledged') throw new LinkViolation(`exec ${this.number}: EXIT_GONE before EXIT`);
    if (this.#isGone && this.#rewoundTo === null) throw new LinkViolation(`exec ${this.number}: EXIT_GONE twice`);
    if (this.#isGone) return;
    this.#isGone = true;
    this.#events.gone();
  }

  lost(reason: string): void {
    if (this.#phase !== 'exited' && this.#phase !== 'acknowledged') this.#events.lost(reason);
    else if (!this.#isGone) this.#events.gone();
  }

  /** Init has not mentioned it after a reconnect. */
  #missing(): boolean {
    if (this.#phase === 'adopting') {
      this.#events.unknown();
      return false;
    }
    if (this.#phase === 'starting') {
      this.start();
      if (this.#tree !== null) this.#sender.send(encodeKill(this.number, this.#tree));
      return true;
    }
    if (this.#phase !== 'acknowledged')
      throw new LinkViolation(`exec ${this.number}: init has forgotten it before its EXIT was acknowledged`);
    if (!this.#isGone) this.#events.gone();
    return false;
  }

  #adopt(status: ExecStatus): void {
    const durable = this.#events.resumed(status);
    if (durable > status.end) throw new LinkViolation(`exec ${this.number}: init has less output than it was credited for`);
    this.#phase = 'running';
    this.#credited = durable;
    this.#end = durable;
  }

  #confirmStart(): void {
    this.#phase = 'running';
    this.#startFrame = null;
  }

  #isStray(offset: number, length: number): boolean {
    if (this.#rewoundTo === null || length > this.#strayBudget) return false;
    if (offset < this.#expected && offset < this.#rewoundTo) return false;
    this.#strayBudget -= length;
    return true;
  }

  #finish(report: ExitReport): void {
    this.#phase = 'exited';
    this.#heldExit = null;
    this.#hasExitOnConnection = true;
    this.#stdin.drop();
    if (report.lingering === 0) this.#isGone = true;
    this.#events.exited(report);
  }
}
