// The audit log: append-only JSON lines, each with the hash of the one before, in files of bounded size, with a signed head.
// Owns the chain and what happens when the disk is full; what is worth recording is the caller's decision.

import { type KeyObject } from 'node:crypto';
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { SandboxError } from '../../client/protocol/errors.ts';
import { AuditHeadFile, headPathOf, readHead } from './audit-head.ts';
import { type AuditEntry, AuditRecord, AuditStub, GENESIS, hashOf, MAX_LINE_BYTES } from './audit-record.ts';
import { closedSegments, segmentPathOf } from './audit-segments.ts';
import type { Clock } from './clock.ts';
import { maskCredentials } from './mask-credentials.ts';

export type { AuditEntry } from './audit-record.ts';

/** How long a record may be in the kernel and not yet on disk, and the head behind the log. */
const COMMIT_MS = 50;
/** Records of what is over that wait for room on the disk. */
const MAX_WAITING = 10_000;

export interface AuditLogOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Signs heads and stubs. */
  readonly keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** Size from which a new file is begun. */
  readonly rotateBytes: number;
  /** `group`: on disk within 50 ms, many records at once; `always`: before append returns; `never`: when the kernel likes. */
  readonly fsync: 'group' | 'always' | 'never';
  /** On a full disk: `stop` what needs a record, or go on and `count` what is lost. */
  readonly onFull: 'stop' | 'count';
  /** What is known of a sandbox, for all its records. */
  readonly identify?: ((sandboxId: string, kind: string) => Readonly<Record<string, unknown>> | undefined) | undefined;
  readonly onError: (error: unknown) => void;
}

interface End {
  readonly seq: number;
  readonly hash: string;
}

/** `over`: it has happened anyway; without room its record waits, and what comes next is refused. */
export type AuditUrgency = 'before' | 'over';

export class AuditLog {
  readonly path: string;
  /** When the daemon before was last heard of, unless it closed the log itself. */
  readonly cutOffAtMs: number | null;
  readonly #options: AuditLogOptions;
  readonly #head: AuditHeadFile;
  readonly #listeners = new Set<(entry: AuditEntry) => void>();
  readonly #waiting: { readonly at: string; readonly entry: AuditEntry }[] = [];
  #fd: number;
  #size: number;
  #firstSeq: number;
  #end: End;
  #lost = 0;
  #committing: Promise<void> = Promise.resolve();
  #cancelCommit: (() => void) | null = null;
  #isClosed = false;

  private constructor(options: AuditLogOptions, file: { fd: number; size: number; firstSeq: number }, end: End, cutOffAtMs: number | null) {
    this.path = options.path;
    this.cutOffAtMs = cutOffAtMs;
    this.#options = options;
    this.#head = new AuditHeadFile(headPathOf(options.path), options.keys.privateKey);
    this.#fd = file.fd;
    this.#size = file.size;
    this.#firstSeq = file.firstSeq;
    this.#end = end;
  }

  /** Opens or makes the log; a torn last line is cut off. Throws if its tail is gone: going on would cover that up. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const fd = openSync(options.path, 'a+', 0o600);
    const own = lastOf(fd, true);
    const before = own === null ? (await closedSegments(options.path)).at(-1) : undefined;
    const end = own ?? (before === undefined ? null : lastOfFile(before)) ?? { seq: 0, hash: GENESIS };
    const head = await readHead(headPathOf(options.path), options.keys.publicKey);
    const wrong =
      head === 'forged'
        ? 'the signature of its head is not ours'
        : head !== null && head.seq > end.seq
          ? `it ends at record ${end.seq}, its head says ${head.seq}`
          : null;
    if (wrong !== null) {
      closeSync(fd);
      throw new SandboxError('INTERNAL', `Cannot go on with audit log ${options.path}: ${wrong}`, {
        hint: 'Keep its files as evidence: move them aside, the head with them. A new log is begun then.',
      });
    }
    const size = fstatSync(fd).size;
    const cutOffAtMs = head === null || head === 'forged' || head.isClosed ? null : Date.parse(head.at);
    const log = new AuditLog(options, { fd, size, firstSeq: size === 0 ? end.seq + 1 : firstSeqIn(fd) }, end, cutOffAtMs);
    if (head === null && end.seq > 0) log.append({ kind: 'audit.headMissing', seqThen: end.seq });
    // From the first record on there is a head that could be missed.
    await log.commit();
    return log;
  }

  /** Number of the first record in the file that is written. */
  get firstSeq(): number {
    return this.#firstSeq;
  }

  /** Number of the last record. */
  get seq(): number {
    return this.#end.seq;
  }

  /** A record is in the kernel when this returns, so it survives the death of the daemon. Throws CAPACITY without room for it. */
  append(entry: AuditEntry, urgency: AuditUrgency = 'before'): void {
    const at = new Date(this.#options.clock.now()).toISOString();
    try {
      this.#catchUp();
      this.#write(at, entry);
    } catch (error) {
      if (urgency === 'over' && this.#options.onFull === 'stop' && this.#waiting.length < MAX_WAITING) {
        this.#waiting.push({ at, entry });
        this.#options.onError(error);
        return;
      }
      if (urgency === 'before' && this.#options.onFull === 'stop')
        throw new SandboxError(
          'CAPACITY',
          `Cannot go on: the audit log can't be written (${(error as NodeJS.ErrnoException).code ?? 'it is closed'})`,
          {
            cause: error,
            hint: 'An operator makes room on the disk of the audit log; nothing starts without a record.',
          },
        );
      this.#lost += 1;
      this.#options.onError(error);
    }
  }

  /** Calls back after every record; the result takes the listener off. */
  onAppend(listener: (entry: AuditEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Everything so far is on disk, and the head says so, when this resolves. */
  async commit(isClosed = false): Promise<void> {
    this.#committing = this.#committing.then(() => this.#commit(isClosed)).catch((error: unknown) => this.#options.onError(error));
    await this.#committing;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#cancelCommit?.();
    await this.commit(true);
    this.#isClosed = true;
    await this.#head.close();
    closeSync(this.#fd);
  }

  /** What could not be written before, in its order. */
  #catchUp(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      this.#write(next.at, next.entry);
      this.#waiting.shift();
    }
    if (this.#lost === 0) return;
    const lost = this.#lost;
    this.#write(new Date(this.#options.clock.now()).toISOString(), { kind: 'audit.dropped', records: lost });
    this.#lost -= lost;
  }

  #write(at: string, entry: AuditEntry): void {
    if (this.#isClosed) throw new Error('the audit log is closed');
    const { sandboxId } = entry;
    const known = typeof sandboxId === 'string' ? this.#options.identify?.(sandboxId, entry.kind) : undefined;
    const seq = this.#end.seq + 1;
    const record: Record<string, unknown> = { seq, at, ...entry };
    // What is known and the entry does not say itself.
    for (const name in known) if (record[name] === undefined) record[name] = known[name];
    record['prev'] = this.#end.hash;
    const text = maskCredentials(JSON.stringify(record));
    const hash = hashOf(text);
    const line = Buffer.from(`${text.slice(0, -1)},"hash":"${hash}"}\n`);
    if (line.length > MAX_LINE_BYTES) return this.#write(at, shortened(entry));
    if (this.#size + line.length > this.#options.rotateBytes && this.#size > 0) this.#rotate(seq);
    const written = writeAll(this.#fd, line, this.#size);
    this.#size += written;
    this.#end = { seq, hash };
    if (this.#options.fsync === 'always') fdatasyncSync(this.#fd);
    this.#commitLater();
    for (const listener of this.#listeners) listener(entry);
  }

  #rotate(nextSeq: number): void {
    fdatasyncSync(this.#fd);
    renameSync(this.path, segmentPathOf(this.path, this.#firstSeq));
    const former = this.#fd;
    void this.#committing.finally(() => closeSync(former));
    this.#fd = openSync(this.path, 'a+', 0o600);
    this.#size = 0;
    this.#firstSeq = nextSeq;
  }

  #commitLater(): void {
    this.#cancelCommit ??= this.#options.clock.after(COMMIT_MS, () => {
      this.#cancelCommit = null;
      void this.commit();
    });
  }

  async #commit(isClosed: boolean): Promise<void> {
    if (this.#isClosed) return;
    const { seq, hash } = this.#end;
    const at = new Date(this.#options.clock.now()).toISOString();
    if (this.#options.fsync === 'group')
      await new Promise<void>((resolve, reject) => fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error))));
    await this.#head.write({ seq, hash, at, isClosed });
  }
}

/** A record that is too long for a line says so, and what it is about. */
function shortened({ kind, ...rest }: AuditEntry): AuditEntry {
  const short = Object.fromEntries(Object.entries(rest).filter(([, value]) => JSON.stringify(value ?? null).length <= 4096));
  return { kind, ...short, shortened: Object.keys(rest).filter((name) => !(name in short)) };
}

/** All or nothing: half a line would be taken for a torn one. */
function writeAll(fd: number, line: Buffer, size: number): number {
  const written = writeSync(fd, line);
  if (written === line.length) return written;
  ftruncateSync(fd, size);
  throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
}

function lastOfFile(path: string): End | null {
  const fd = openSync(path, 'r');
  try {
    return lastOf(fd, false);
  } finally {
    closeSync(fd);
  }
}

/** The last whole line; what stands after it was never acknowledged. */
function lastOf(fd: number, cutsOff: boolean): End | null {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(Math.min(size, 2 * MAX_LINE_BYTES));
  readSync(fd, tail, 0, tail.length, size - tail.length);
  const end = tail.lastIndexOf(0x0a);
  if (cutsOff && end + 1 < tail.length) ftruncateSync(fd, size - (tail.length - end - 1));
  if (end === -1) return null;
  const line: unknown = JSON.parse(tail.toString('utf8', end === 0 ? 0 : tail.lastIndexOf(0x0a, end - 1) + 1, end));
  const stub = AuditStub.safeParse(line);
  if (stub.success) return { seq: stub.data.pruned.to, hash: stub.data.last };
  const { seq, hash } = AuditRecord.parse(line);
  return { seq, hash };
}

function firstSeqIn(fd: number): number {
  const start = Buffer.alloc(32);
  readSync(fd, start, 0, start.length, 0);
  return Number(/^\{"seq":(\d+),/.exec(start.toString('utf8'))?.[1] ?? 1);
}
