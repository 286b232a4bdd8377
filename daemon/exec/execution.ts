// One command from its start to its one result: what its callers hold.
// Owns the command's state and its stdin; the table owns when it may start and how long it is remembered.

import { constants } from 'node:os';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecInfo, ExecResult, Outcome, PtySize, Signal } from '../../client/protocol/exec.ts';
import type { ExecEvents, ExecStatus, OutputStream } from '../link/messages.ts';
import { attachOutput, attachPieces } from './attachment.ts';
import type { AttachOptions, ExecEvent, ExecTerminal, PiecesEvent } from './attachment.ts';
import { deferred } from './deferred.ts';
import type { Deferred } from './deferred.ts';
import { buildResult } from './exec-end.ts';
import type { CreditGate } from './credit-gate.ts';
import { describeExec } from './exec-request.ts';
import type { ExecSummary } from './exec-request.ts';
import type { ExecutionHost, ExecutionOptions } from './execution-host.ts';
import { Notifier } from './notifier.ts';
import { computeOutcome } from './outcome.ts';
import type { Ending } from './outcome.ts';
import type { FilterableRecorder } from './filterable-recorder.ts';
import { StdinPump } from './stdin-pump.ts';
import type { KernelFacts, Witness } from './witness.ts';

const DEFAULT_GRACE_MS = 2_000;

export class Execution {
  readonly id: string;
  readonly number: number;
  readonly request: ExecSummary;
  readonly digest: string;
  readonly startedAtMs: number;
  readonly witness: Witness;
  readonly recorder: FilterableRecorder;
  /** How far it may run ahead of readers that must not miss anything. */
  readonly gate: CreditGate;
  hasStarted = false;
  readonly #host: ExecutionHost<Execution>;
  readonly #graceMs: number;
  readonly #changed = new Notifier();
  /** Readers look again. */
  readonly announce = (): void => this.#changed.notify();
  /** Who writes to it, from which offset. */
  readonly stdin: StdinPump;
  readonly #signalsSent = new Map<number, string>();
  readonly #result: Deferred<ExecTerminal> = deferred();
  #killedBy: string | null = null;
  #isCapped = false;
  #isEnding = false;
  #terminal: ExecTerminal | null = null;
  /** Reads the terminal back once its text has been released. */
  #reload: (() => Promise<ExecTerminal>) | null = null;

  constructor(options: ExecutionOptions<Execution>) {
    this.id = options.id;
    this.number = options.number;
    this.request = options.request;
    this.digest = options.digest;
    this.startedAtMs = options.startedAtMs;
    this.witness = options.witness;
    this.recorder = options.recorder;
    this.gate = options.gate;
    this.#host = options.host;
    this.#graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
    const { link } = options.host;
    this.stdin = new StdinPump(
      { room: () => link.stdinRoom(this.number), send: (bytes, isEof) => link.stdin(this.number, bytes, isEof) },
      options.request.hasStdin,
    );
  }

  get state(): 'running' | 'ended' {
    return this.#terminal === null ? 'running' : 'ended';
  }

  /** Null while it runs, and if it was refused. */
  get outcome(): Outcome | null {
    return this.#terminal?.kind === 'end' ? this.#terminal.result.outcome : null;
  }

  /** Offset in the combined output reached so far. */
  get endOffset(): number {
    return this.recorder.spool.end;
  }

  /** Rejects with QUOTA_EXCEEDED if there was no process slot for it. */
  get result(): Promise<ExecResult> {
    return this.#finalTerminal().then((terminal) => {
      if (terminal.kind === 'failed') throw terminal.error;
      return terminal.result;
    });
  }

  /** The result, or after `yieldMs` what there is, with outcome `running`. */
  async resultWithin(yieldMs: number): Promise<ExecResult> {
    if (this.#terminal === null) {
      await new Promise<void>((resolve) => {
        const cancel = this.#host.clock.after(yieldMs, resolve);
        void this.#result.promise.then(() => {
          cancel();
          resolve();
        });
      });
    }
    return this.#terminal === null ? this.snapshot() : await this.result;
  }

  /** What there is so far, with outcome `running`. */
  snapshot(): ExecResult {
    return buildResult({
      execId: this.id,
      verdict: { outcome: 'running', exitCode: null, signal: null, notes: [] },
      ending: null,
      text: this.recorder.text(),
      nextOffset: this.endOffset,
      elapsedMs: this.#host.clock.now() - this.startedAtMs,
    });
  }

  /** Output from `offset` on as it comes, then exactly one terminal event. Each attachment goes at its reader's pace. */
  attach(offset = 0, signal?: AbortSignal): AsyncGenerator<ExecEvent, void, undefined> {
    return attachOutput(this.#attachment(offset, signal));
  }

  /** The same, several pieces at a time. */
  attachPieces(offset: number, signal: AbortSignal): AsyncGenerator<PiecesEvent, void, undefined> {
    return attachPieces(this.#attachment(offset, signal));
  }

  #attachment(offset: number, signal: AbortSignal | undefined): AttachOptions {
    const terminal = (): Promise<ExecTerminal> | null => (this.#terminal === null ? null : this.#finalTerminal());
    return { spool: this.recorder.spool, offset, signal, changed: this.#changed, terminal };
  }

  /** Resolves when the bytes are on their way to the command; false: it reads no more. They must not be changed afterwards. */
  write(bytes: Uint8Array): Promise<boolean> {
    return this.stdin.write(bytes);
  }

  closeStdin(): void {
    this.stdin.close();
  }

  /** Without a signal the whole tree ends: SIGTERM, grace, SIGKILL. Done if it has ended already. */
  kill(options: { readonly by: string; readonly signal?: Signal | undefined; readonly graceMs?: number | undefined }): void {
    if (this.#terminal !== null) return;
    const { link } = this.#host;
    if (options.signal !== undefined) {
      const signal = constants.signals[options.signal];
      this.#signalsSent.set(signal, options.by);
      if (!link.kill(this.number, { mode: 'signal', signal, graceMs: 0 })) {
        throw new SandboxError('SANDBOX_FAILED', `Cannot send ${options.signal}: the connection to the sandbox is interrupted`, {
          retry: 'later',
        });
      }
      return;
    }
    this.#killedBy ??= options.by;
    this.#host.journalKill(this, this.#killedBy, constants.signals.SIGTERM);
    const graceMs = options.graceMs ?? this.#graceMs;
    link.kill(this.number, { mode: 'tree', signal: constants.signals.SIGTERM, graceMs });
    this.#host.expectEnd(this, graceMs);
  }

  resize(size: PtySize): void {
    if (!this.request.hasPty) throw new SandboxError('INVALID_REQUEST', 'Cannot resize the command: it has no terminal');
    if (this.#terminal === null) this.#host.link.resize(this.number, size.columns, size.rows);
  }

  info(): ExecInfo {
    return describeExec(this);
  }

  /** What the link tells; for the table. */
  readonly events: ExecEvents = {
    started: () => (this.hasStarted = true),
    output: (offset, stream, bytes) => this.#output(offset, stream, bytes),
    exited: (report) => this.#end({ kind: 'exit', report }),
    stdinTaken: (offset, isClosed) => (isClosed ? this.stdin.end() : this.stdin.arrived(offset)),
    gone: () => this.#host.treeGone(this),
    resumed: (status) => this.#resumed(status),
    unknown: () => this.#end({ kind: 'lost', reason: 'the daemon stopped before the command was started; it did not run' }),
    lost: (reason) => this.#end({ kind: 'lost', reason }),
  };

  /** Its sandbox has been removed on purpose. */
  readonly sandboxRemoved = (by: string, reason: string): void => this.#end({ kind: 'removed', by, reason });
  /** From the journal: who had it killed before this daemon came. */
  recordKill(by: string): void {
    this.#killedBy = by;
  }

  /** From the journal: it had ended before this daemon came. */
  restore(terminal: ExecTerminal, reload: (() => Promise<ExecTerminal>) | null): void {
    this.#isEnding = true;
    this.#settle(terminal);
    this.#reload = reload;
  }

  /** Drops the text of the result from memory; `reload` finds it again. */
  release(reload: () => Promise<ExecTerminal>): void {
    if (this.#terminal?.kind !== 'end') return;
    this.#terminal = { kind: 'end', result: { ...this.#terminal.result, stdout: '', stderr: '' } };
    this.#reload = reload;
  }

  #finalTerminal(): Promise<ExecTerminal> {
    if (this.#terminal === null) return this.#result.promise;
    return this.#reload === null ? Promise.resolve(this.#terminal) : this.#reload();
  }

  #output(offset: number, stream: OutputStream, bytes: Buffer): void {
    this.recorder.append(stream, bytes);
    const cap = this.request.outputBytes;
    if (cap !== undefined && this.request.outputPolicy === 'stop' && offset + bytes.length > cap && !this.#isCapped) {
      this.#isCapped = true;
      this.#host.link.kill(this.number, { mode: 'tree', signal: constants.signals.SIGTERM, graceMs: this.#graceMs });
      this.#host.expectEnd(this, this.#graceMs);
    }
    this.#changed.notify();
  }

  #resumed(status: ExecStatus): number {
    this.stdin.forget();
    if (status.credited > this.recorder.rawEnd) this.recorder.skipTo(status.credited);
    return this.recorder.rawEnd;
  }

  #end(ending: Ending): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.stdin.end();
    this.recorder.end();
    const facts = this.witness.testify(ending.kind === 'exit' && ending.report.isOomLike);
    if (facts instanceof Promise) void facts.then((known) => this.#conclude(ending, known));
    else this.#conclude(ending, facts);
  }

  #conclude(ending: Ending, kernel: KernelFacts): void {
    if (ending.kind !== 'exit' || ending.report.lingering === 0) this.#host.treeGone(this);
    const decision = computeOutcome({
      ending,
      killedBy: this.#killedBy,
      signalsSent: this.#signalsSent,
      kernel,
      isCapped: this.#isCapped,
    });
    const isReported = ending.kind === 'exit';
    if (decision.kind === 'refused') {
      this.#finish({ kind: 'failed', error: decision.error }, isReported);
      return;
    }
    const elapsedMs = this.#host.clock.now() - this.startedAtMs;
    const draft = buildResult({
      execId: this.id,
      verdict: decision.verdict,
      ending,
      text: this.recorder.text(),
      nextOffset: this.endOffset,
      elapsedMs,
    });
    const completed = this.#host.complete(draft, this);
    if (completed instanceof Promise) {
      completed.then(
        (result) => this.#finish({ kind: 'end', result }, isReported),
        () => this.#finish({ kind: 'end', result: draft }, isReported),
      );
    } else this.#finish({ kind: 'end', result: completed }, isReported);
  }

  #finish(terminal: ExecTerminal, isReported: boolean): void {
    this.recorder.release();
    this.#settle(terminal);
    this.#host.ended(this, terminal, isReported);
  }

  #settle(terminal: ExecTerminal): void {
    this.#terminal = terminal;
    this.#result.resolve(terminal);
    this.#changed.notify();
  }
}
