// The output of one command: the newest part in memory, the rest of the last 16 MiB in files.
// Owns what is durable and what has been trimmed; knows nothing of outcomes, links or clients.

import { join } from 'node:path';
import type { OutputStream } from '../link/messages.ts';
import { OutputTail } from './output-tail.ts';
import type { SpoolStore } from './spool-store.ts';
import { SpoolSegment } from './spool-segment.ts';

export const DEFAULT_KEEP_BYTES = 16 * 1024 * 1024;
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Output that waits before it is written; init keeps it as well until it is credited. */
const FLUSH_BYTES = 512 * 1000;
/** Written output that stays in memory while somebody reads. */
const CACHE_BYTES = 1536 * 1024;
/** Output up to this size is kept in the journal and never gets a file. */
export const SMALL_BYTES = 4 * 1024;

export interface SpoolOptions {
  readonly store: SpoolStore;
  /** Directory of the sandbox and prefix of the command's files. */
  readonly directory: string;
  readonly name: string;
  readonly keepBytes: number;
  /** All output before `offset` is in files. */
  readonly onDurable: (offset: number) => void;
  readonly onError: (error: unknown) => void;
}

export class ExecSpool {
  readonly #options: SpoolOptions;
  readonly #segments: SpoolSegment[];
  /** Trimmed; the next one is written over it. */
  #spare: SpoolSegment | null = null;
  #tail: OutputTail;
  #durable: number;
  #flushing: Promise<void> | null = null;
  /** The disk failed: output is kept in memory only, older output is a gap. */
  #isBroken = false;
  #isRemoved = false;
  #readers = 0;

  constructor(options: SpoolOptions, segments: SpoolSegment[] = [], start = 0) {
    this.#options = options;
    this.#segments = segments;
    this.#durable = segments.at(-1)?.end ?? start;
    this.#tail = new OutputTail(this.#durable);
  }

  /** Offset of the first byte that can still be read. */
  get start(): number {
    const first = this.#segments[0];
    return first === undefined || this.#isRemoved ? this.#tail.start : first.base;
  }

  get end(): number {
    return this.#tail.end;
  }

  /** All output before this is in files. */
  get durable(): number {
    return this.#durable;
  }

  get diskBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.diskBytes, this.#spare?.diskBytes ?? 0);
  }

  get tail(): OutputTail {
    return this.#tail;
  }

  segmentAt(offset: number): SpoolSegment | undefined {
    return this.#segments.find((segment) => segment.base <= offset && offset < segment.end);
  }

  /** A reader that follows closely is served from memory. */
  readerCame(): void {
    this.#readers += 1;
  }

  readerWent(): void {
    this.#readers -= 1;
  }

  append(stream: OutputStream, bytes: Buffer): void {
    this.#tail.append(stream, bytes);
    if (this.#tail.end - this.#durable >= FLUSH_BYTES && this.#flushing === null) void this.flush();
  }

  /** Output from `offset` on is lost with a host that went down: what follows is appended there. */
  restartAt(offset: number): void {
    this.#isRemoved = true;
    this.#durable = offset;
    this.#tail = new OutputTail(offset);
  }

  /** The whole output as records, if it is small and has no file. */
  small(): Buffer | null {
    if (this.#durable !== 0 || this.#flushing !== null || this.#tail.start !== 0 || this.#tail.end > SMALL_BYTES) return null;
    return Buffer.concat(this.#tail.take());
  }

  /** Everything that was appended is in files when this resolves. Never rejects. */
  async flush(): Promise<void> {
    while (this.#durable < this.#tail.end) {
      this.#flushing ??= this.#write().finally(() => {
        this.#flushing = null;
        if (this.#tail.end - this.#durable >= FLUSH_BYTES) void this.flush();
      });
      await this.#flushing;
    }
  }

  /** Nothing is appended any more. Frees memory that files can serve. */
  async finish(): Promise<void> {
    await this.flush();
    this.#discardSpare();
    await Promise.all(this.#segments.map((segment) => segment.close()));
    if (!this.#isBroken) this.#tail.forget(0);
  }

  /** Frees a file, the oldest but for the spare one; false if there is none but the one being written. */
  trim(): boolean {
    if (this.#discardSpare()) return true;
    if (this.#segments.length < 2) return false;
    const oldest = this.#segments.shift();
    if (oldest !== undefined) this.#discard(oldest);
    return true;
  }

  /** Deletes the files. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    this.#options.store.forget(this);
    await this.#flushing;
    const spare = this.#spare === null ? [] : [this.#spare];
    this.#spare = null;
    await Promise.all([...this.#segments.splice(0), ...spare].map((segment) => segment.remove()));
  }

  async #write(): Promise<void> {
    const end = this.#tail.end;
    const records = this.#tail.take();
    const bytes = end - this.#durable;
    try {
      if (!this.#isBroken && !this.#isRemoved) {
        const segment = this.#current();
        const before = segment.diskBytes;
        await segment.append(records, bytes);
        this.#options.store.account(this, segment.diskBytes - before);
      }
    } catch (error) {
      // The command goes on: who follows closely misses nothing, who comes late is told of the gap.
      this.#isBroken = true;
      this.#options.onError(error);
      this.#discardSpare();
      for (const segment of this.#segments.splice(0)) this.#discard(segment);
    }
    this.#durable = end;
    this.#tail.forget(this.#readers > 0 ? CACHE_BYTES : 0);
    while (this.#segments[1] !== undefined && end - this.#segments[1].base >= this.#options.keepBytes) this.#retireOldest();
    this.#options.onDurable(end);
  }

  #current(): SpoolSegment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.size < SEGMENT_BYTES) return last;
    if (last !== undefined) last.close().catch(this.#options.onError);
    const segment = new SpoolSegment(join(this.#options.directory, `${this.#options.name}.${this.#durable}.spool`), this.#durable);
    if (this.#spare !== null) segment.takeOver(this.#spare);
    this.#spare = null;
    this.#segments.push(segment);
    this.#options.store.register(this);
    return segment;
  }

  #retireOldest(): void {
    const oldest = this.#segments.shift();
    if (oldest === undefined) return;
    if (this.#spare === null && oldest.isFree) this.#spare = oldest;
    else this.#discard(oldest);
  }

  #discardSpare(): boolean {
    const spare = this.#spare;
    this.#spare = null;
    if (spare !== null) this.#discard(spare);
    return spare !== null;
  }

  #discard(segment: SpoolSegment): void {
    this.#options.store.account(this, -segment.diskBytes);
    segment.remove().catch(this.#options.onError);
  }
}
