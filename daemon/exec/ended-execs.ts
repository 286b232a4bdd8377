// Commands that have ended: makes their results durable, acknowledges them to init, and forgets them in time.
// Owns retention and the journal's size; an execution owns what its callers see.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SandboxError } from '../../client/protocol/errors.ts';
import type { SandboxLink } from '../link/sandbox-link.ts';
import type { Clock } from '../observe/clock.ts';
import type { ExecTerminal } from './attachment.ts';
import type { Execution } from './execution.ts';
import type { EndEntry, ExecJournal, JournalEntry, StartEntry } from './journal.ts';
import type { SpoolStore } from './spool-store.ts';

/** Ended commands that are remembered, whatever their age. */
const MAX_ENDED = 512;
/** Bytes of result text in memory; older ones are read back from disk. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
const COMPACT_AFTER_LINES = 4096;
const RETRY_MS = 5_000;
const TextFile = z.strictObject({ stdout: z.string(), stderr: z.string() });

export interface EndedExecsOptions {
  readonly sandboxId: string;
  readonly link: SandboxLink;
  readonly spools: SpoolStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: ExecJournal;
  readonly running: () => readonly Execution[];
  readonly lastNumber: () => number;
  readonly onForget: (execution: Execution) => void;
}

interface Ended {
  readonly execution: Execution;
  readonly start: StartEntry;
  readonly end: EndEntry;
  textBytes: number;
}

export class EndedExecs {
  readonly #options: EndedExecsOptions;
  readonly #starts = new Map<Execution, StartEntry>();
  /** Oldest end first. */
  readonly #ended = new Map<Execution, Ended>();
  readonly #settling = new Set<Promise<void>>();
  #textBytes = 0;
  #isClosed = false;
  #cancelSweep: (() => void) | null = null;

  constructor(options: EndedExecsOptions) {
    this.#options = options;
  }

  started(execution: Execution, start: StartEntry): void {
    this.#starts.set(execution, start);
  }

  /** Its callers have the result already; now it becomes durable, then init may forget it. */
  add(execution: Execution, terminal: ExecTerminal, isReported: boolean): void {
    // What ends because this daemon leaves goes on for the next one.
    if (this.#isClosed) return;
    const settling = this.#settle(execution, terminal, isReported).finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }

  restore(execution: Execution, start: StartEntry, end: EndEntry, terminal: ExecTerminal): void {
    const hasTextFile = terminal.kind === 'end' && end.output === undefined && terminal.result.nextOffset > 0;
    this.#ended.set(execution, { execution, start, end, textBytes: 0 });
    execution.restore(terminal, hasTextFile ? () => this.#reload(execution, end) : null);
    this.#options.spools.ended(execution.recorder.spool);
    this.#scheduleSweep();
  }

  /** Takes no more; what had ended before is durable when this resolves, unless the disk refuses it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelSweep?.();
    await Promise.all(this.#settling);
  }

  async #settle(execution: Execution, terminal: ExecTerminal, isReported: boolean): Promise<void> {
    // After this turn: the callers' answer goes out first.
    await new Promise(setImmediate);
    const { spool } = execution.recorder;
    const output = spool.small();
    const start = this.#starts.get(execution);
    if (start === undefined) return;
    if (output === null) await spool.finish();
    const textBytes = output === null && terminal.kind === 'end' ? await this.#writeText(execution, terminal) : 0;
    const end: EndEntry = {
      t: 'end',
      number: execution.number,
      at: this.#options.clock.now(),
      result: terminal.kind === 'end' ? { ...terminal.result, stdout: '', stderr: '' } : null,
      ...(terminal.kind === 'failed' ? { error: terminal.error.message } : {}),
      ...(output === null || output.length === 0 ? {} : { output: output.toString('base64') }),
    };
    if (!(await this.#journalEnd(end))) return;
    execution.recorder.settled();
    if (isReported) this.#options.link.exitAck(execution.number);
    this.#starts.delete(execution);
    this.#ended.set(execution, { execution, start, end, textBytes });
    this.#textBytes += textBytes;
    this.#options.spools.ended(spool);
    this.#bound();
  }

  /** Init keeps its EXIT until this has worked, so a full disk delays and loses nothing; false: the next daemon is told of it by init. */
  async #journalEnd(end: EndEntry): Promise<boolean> {
    for (;;) {
      try {
        this.#options.journal.append(end);
        return true;
      } catch (error) {
        if (this.#isClosed) return false;
        this.#options.log.error({ sandboxId: this.#options.sandboxId, err: error }, 'exec journal failed');
        await new Promise<void>((resolve) => this.#options.clock.after(RETRY_MS, resolve));
      }
    }
  }

  async #writeText(execution: Execution, terminal: ExecTerminal & { kind: 'end' }): Promise<number> {
    const { stdout, stderr } = terminal.result;
    const text = JSON.stringify({ stdout, stderr });
    const path = this.#textPath(execution);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, text, { mode: 0o600 });
      return text.length;
    } catch (error) {
      this.#options.log.error({ sandboxId: this.#options.sandboxId, execId: execution.id, err: error }, 'result text not kept');
      return 0;
    }
  }

  async #reload(execution: Execution, end: EndEntry): Promise<ExecTerminal> {
    const { result } = end;
    if (result === null) return { kind: 'failed', error: new SandboxError('QUOTA_EXCEEDED', end.error ?? 'Cannot start the command') };
    try {
      const text = TextFile.parse(JSON.parse(await readFile(this.#textPath(execution), 'utf8')));
      return { kind: 'end', result: { ...result, ...text } };
    } catch (error) {
      this.#options.log.warn({ sandboxId: this.#options.sandboxId, execId: execution.id, err: error }, 'result text not found');
      return { kind: 'end', result };
    }
  }

  #textPath(execution: Execution): string {
    return join(this.#options.spools.directoryOf(this.#options.sandboxId), `${execution.number}.text`);
  }

  #bound(): void {
    for (const ended of this.#ended.values()) {
      if (this.#textBytes <= MAX_TEXT_BYTES) break;
      if (ended.textBytes === 0) continue;
      this.#textBytes -= ended.textBytes;
      ended.textBytes = 0;
      ended.execution.release(() => this.#reload(ended.execution, ended.end));
    }
    for (const ended of this.#ended.values()) {
      if (this.#ended.size <= MAX_ENDED) break;
      this.#forget(ended);
    }
    this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    const oldest = this.#ended.values().next().value;
    if (oldest === undefined || this.#cancelSweep !== null || this.#isClosed) return;
    const dueMs = oldest.end.at + this.#options.spools.keepMs - this.#options.clock.now();
    this.#cancelSweep = this.#options.clock.after(Math.max(dueMs, 0) + 1, () => {
      this.#cancelSweep = null;
      const limit = this.#options.clock.now() - this.#options.spools.keepMs;
      for (const ended of this.#ended.values()) {
        if (ended.end.at >= limit) break;
        this.#forget(ended);
      }
      this.#scheduleSweep();
    });
  }

  #forget(ended: Ended): void {
    const { execution } = ended;
    this.#ended.delete(execution);
    this.#textBytes -= ended.textBytes;
    this.#options.onForget(execution);
    const failed = (error: unknown): void =>
      this.#options.log.error({ sandboxId: this.#options.sandboxId, err: error }, 'spool not removed');
    execution.recorder.spool.remove().catch(failed);
    if (execution.endOffset > 0 && ended.end.output === undefined) rm(this.#textPath(execution), { force: true }).catch(failed);
    if (this.#options.journal.appended >= COMPACT_AFTER_LINES) this.#compact();
  }

  #compact(): void {
    const entries: JournalEntry[] = [{ t: 'mark', number: this.#options.lastNumber() }];
    for (const { start, end } of this.#ended.values()) entries.push(start, end);
    entries.push(...this.#starts.values());
    this.#options.journal.rewrite(entries);
  }
}
