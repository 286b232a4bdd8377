// All commands of one sandbox: starts them once, remembers them for a while, survives the daemon's death.
// Owns ids, numbers and the journal; an execution owns its own life, policy has been asked before.

import type { Logger } from 'pino';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { ExecResult } from '../../client/protocol/exec.ts';
import { ExecId } from '../../client/protocol/names.ts';
import type { OutputStream } from '../link/messages.ts';
import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import { CreditGate } from './credit-gate.ts';
import { generationOf, filterOutput } from './filter-output.ts';
import type { FilterSource } from './output-filter.ts';
import { EndedExecs } from './ended-execs.ts';
import { recoverExecs } from './exec-recovery.ts';
import { digestRequest, summarize } from './exec-request.ts';
import type { ExecRequest } from './exec-request.ts';
import type { ExecKernel } from './exec-kernel.ts';
import { Execution } from './execution.ts';
import type { ExecutionHost } from './execution-host.ts';
import { ExecJournal } from './journal.ts';
import type { StartEntry } from './journal.ts';
import { FilterableRecorder } from './filterable-recorder.ts';
import { DEFAULT_KEEP_BYTES, ExecSpool } from './spool.ts';
import type { SpoolSegment } from './spool-segment.ts';
import type { SpoolStore } from './spool-store.ts';
import { Trees } from './trees.ts';

const DEFAULT_GRACE_MS = 2_000;

export interface ExecTableOptions {
  readonly sandboxId: string;
  readonly link: SandboxLink;
  readonly spools: SpoolStore;
  /** `<stateDir>/sandboxes/<id>.execs.jsonl` */
  readonly journalPath: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Commands at once. */
  readonly maxRunning: number;
  /** What the host's kernel knows of the sandbox; null as long as it has none. */
  readonly kernel?: (() => ExecKernel | null) | undefined;
  /** Adds what others know (egress, changes, notes); once per command, before anyone sees the result. */
  readonly complete?: ((draft: ExecResult, execution: Execution) => ExecResult | Promise<ExecResult>) | undefined;
  /** What keeps values of secrets out of output. */
  readonly filters?: FilterSource | undefined;
  /** Sees what is kept of every command's output. */
  readonly onKept?: ((execId: string, stream: OutputStream, bytes: Buffer) => void) | undefined;
}

export class ExecTable {
  readonly #options: ExecTableOptions;
  readonly #journal: ExecJournal;
  readonly #byId = new Map<string, Execution>();
  readonly #running = new Set<Execution>();
  readonly #ended: EndedExecs;
  readonly #trees: Trees;
  readonly #host: ExecutionHost<Execution>;
  #lastNumber = 0;
  #isClosed = false;

  private constructor(options: ExecTableOptions) {
    this.#options = options;
    this.#journal = new ExecJournal(options.journalPath);
    this.#ended = new EndedExecs({
      ...options,
      journal: this.#journal,
      running: () => [...this.#running],
      lastNumber: () => this.#lastNumber,
      onForget: (execution) => {
        this.#byId.delete(execution.id);
        this.#trees.gone(execution);
      },
    });
    this.#trees = new Trees({ kernel: options.kernel ?? (() => null), link: options.link, clock: options.clock });
    this.#host = {
      link: options.link,
      clock: options.clock,
      expectEnd: (execution, afterMs) => this.#trees.expectEnd(execution, afterMs),
      treeGone: (execution) => this.#trees.gone(execution),
      journalKill: (execution, by, signal) => this.#journal.append({ t: 'kill', number: execution.number, by, signal }),
      complete: (draft, execution) => this.#complete(draft, execution),
      ended: (execution, terminal, isReported) => {
        this.#running.delete(execution);
        this.#trees.ended(execution);
        this.#ended.add(execution, terminal, isReported);
      },
    };
  }

  /** Reads what an earlier daemon left and takes over what still runs. Before the control listener opens. */
  static async open(options: ExecTableOptions): Promise<ExecTable> {
    const table = new ExecTable(options);
    await recoverExecs({
      sandboxId: options.sandboxId,
      journal: table.#journal,
      spools: options.spools,
      now: options.clock.now(),
      sawNumber: (number) => {
        table.#lastNumber = Math.max(table.#lastNumber, number);
      },
      make: (start, segments) => table.#make(start, segments),
      running: (execution, start) => {
        table.#byId.set(execution.id, execution);
        filterOutput(execution, start, options);
        table.#trees.adopt(execution);
        table.#enter(execution);
        table.#ended.started(execution, start);
        options.link.adopt(execution.number, execution.events);
      },
      ended: (execution, start, end, terminal) => {
        table.#byId.set(execution.id, execution);
        table.#trees.adopt(execution);
        table.#ended.restore(execution, start, end, terminal);
      },
    });
    return table;
  }

  /** Removes what a sandbox has left that goes without a table having been opened: journal and output. */
  static async removeLeft({
    sandboxId,
    journalPath,
    spools,
  }: Pick<ExecTableOptions, 'sandboxId' | 'journalPath' | 'spools'>): Promise<void> {
    new ExecJournal(journalPath).remove();
    await spools.removeSandbox(sandboxId);
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Starts it, or answers the one that was started under this id. INVALID_REQUEST if that one was another request. */
  start(request: ExecRequest): Execution {
    const digest = digestRequest(request);
    const known = this.#byId.get(request.execId);
    if (known !== undefined) {
      if (known.digest === digest) return known;
      throw new SandboxError('INVALID_REQUEST', `Cannot start command ${request.execId}: another one has this id`, {
        hint: 'Use a new exec id, or attach to the one there is.',
      });
    }
    const { link, maxRunning, clock } = this.#options;
    if (this.#isClosed) throw new SandboxError('SHUTTING_DOWN', `Cannot start command ${request.execId}: the daemon is stopping`);
    if (this.#running.size >= maxRunning)
      throw new SandboxError(
        'QUOTA_EXCEEDED',
        `Cannot start command ${request.execId}: ${maxRunning} commands run in this sandbox already`,
      );
    const number = this.#lastNumber + 1;
    const entry: StartEntry = {
      t: 'start',
      number,
      execId: ExecId.parse(request.execId),
      at: clock.now(),
      digest,
      ...journaled(request),
      ...this.#trees.begin(number),
      ...generationOf(this.#options.filters),
    };
    const execution = this.#make(entry, null, request.graceMs);
    filterOutput(execution, entry, this.#options);
    this.#journal.append(entry);
    this.#lastNumber = number;
    const command = {
      argv: request.argv,
      env: { ...request.env, ...request.secretEnv },
      cwd: request.cwd,
      stdin: request.stdin,
      pty: request.pty,
      wallMs: request.wallMs ?? 0,
      idleMs: request.idleMs ?? 0,
      graceMs: request.graceMs ?? DEFAULT_GRACE_MS,
      oomScore: entry.oomScore,
    };
    try {
      link.start(number, command, execution.events);
    } catch (error) {
      this.#journal.append({ t: 'end', number, at: clock.now(), result: null });
      this.#trees.gone(execution);
      throw error;
    }
    this.#byId.set(execution.id, execution);
    this.#enter(execution);
    this.#trees.started(execution, command);
    this.#ended.started(execution, entry);
    return execution;
  }

  get(execId: string): Execution | undefined {
    return this.#byId.get(execId);
  }

  require(execId: string): Execution {
    const execution = this.#byId.get(execId);
    if (execution === undefined)
      throw new SandboxError('EXEC_UNKNOWN', `Cannot find command ${execId}: it was never started here or is no longer kept`);
    return execution;
  }

  list(): readonly Execution[] {
    return [...this.#byId.values()];
  }

  /** Ends every command that runs. */
  killAll(by: string): void {
    for (const execution of [...this.#running]) execution.kill({ by });
  }

  /** The sandbox was removed on purpose, with every command that ran in it. */
  sandboxRemoved(by: string, reason: string): void {
    for (const execution of [...this.#running]) execution.sandboxRemoved(by, reason);
  }

  /** Starts nothing more; what was written stays for the next daemon. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#trees.close();
    await this.#ended.close();
    await Promise.all([...this.#running].map((execution) => execution.recorder.spool.finish()));
    this.#journal.close();
  }

  /** The sandbox is gone for good: removes the journal and all output. */
  async destroy(): Promise<void> {
    await this.close();
    await Promise.all(this.list().map((execution) => execution.recorder.spool.remove()));
    this.#byId.clear();
    this.#journal.remove();
    await this.#options.spools.removeSandbox(this.#options.sandboxId);
  }

  #enter(execution: Execution): void {
    this.#trees.entered(execution, this.#running);
    this.#running.add(execution);
  }

  /** `segments`: what an earlier daemon left of its output; null: it is new. */
  #make(start: StartEntry, segments: SpoolSegment[] | null, graceMs?: number): Execution {
    const { spools, sandboxId, link, log, onKept } = this.#options;
    const gate = new CreditGate((offset) => {
      if (!recorder.durable(offset)) link.credit(start.number, offset);
    });
    const spool = new ExecSpool(
      {
        store: spools,
        directory: spools.directoryOf(sandboxId),
        name: String(start.number),
        keepBytes: Math.min(start.outputBytes ?? DEFAULT_KEEP_BYTES, DEFAULT_KEEP_BYTES),
        onDurable: (offset) => gate.durable(offset),
        onError: (error) => log.error({ sandboxId, execId: start.execId, err: error }, 'spool failed'),
      },
      segments ?? [],
    );
    if (segments !== null && segments.length > 0) spools.adopt(spool);
    const recorder = new FilterableRecorder(spool, onKept && ((stream, bytes) => onKept(start.execId, stream, bytes)));
    const { command, hasStdin, hasPty, background, outputBytes, outputPolicy, labels } = start;
    return new Execution({
      host: this.#host,
      id: start.execId,
      number: start.number,
      request: { command, hasStdin, hasPty, background, outputBytes, outputPolicy, labels },
      digest: start.digest,
      startedAtMs: start.at,
      recorder,
      gate,
      witness: this.#trees.witness(start, segments === null),
      graceMs,
    });
  }

  #complete(draft: ExecResult, execution: Execution): ExecResult | Promise<ExecResult> {
    const { complete, log, sandboxId } = this.#options;
    if (complete === undefined) return draft;
    const failed = (error: unknown): ExecResult => {
      log.error({ sandboxId, execId: execution.id, err: error }, 'result not completed');
      return draft;
    };
    try {
      const completed = complete(draft, execution);
      return completed instanceof Promise ? completed.catch(failed) : completed;
    } catch (error) {
      return failed(error);
    }
  }
}

function journaled(
  request: ExecRequest,
): Pick<StartEntry, 'command' | 'hasStdin' | 'hasPty' | 'background' | 'outputBytes' | 'outputPolicy' | 'labels'> {
  const summary = summarize(request);
  return { ...summary, labels: summary.labels === undefined ? undefined : { ...summary.labels } };
}
