// A command's output on its way through a filter: when what is held goes out, and how offsets that clients see become offsets
// that init knows, for credit and after a restart. Owns the timer and the mark on disk; what is held back is the filter's.

import type { OutputStream } from '../link/messages.ts';
import type { Clock } from '../observe/clock.ts';
import type { FilterMarkFile } from './filter-mark.ts';
import type { FilterPoint, FilterStart, OutputFilter } from './output-filter.ts';

/** A pause after which a prompt must be seen, even if it may be the beginning of something. */
const RELEASE_MS = 30;
/** Raw bytes between places that credit can be given for. */
const POINT_STEP_BYTES = 8 * 1024;
/** Raw bytes without credit from which on output is made durable early: half of what init sends without it. */
const FLUSH_BEHIND_BYTES = 128 * 1024;

export interface FilteredOutputOptions {
  readonly make: (start: FilterStart) => OutputFilter;
  readonly mark: FilterMarkFile;
  readonly clock: Clock;
  /** Where what may be seen goes on being kept. */
  readonly sink: {
    readonly end: number;
    append(stream: OutputStream, bytes: Buffer): void;
    flush(): Promise<void>;
    restartAt(offset: number): void;
  };
  /** Raw. */
  readonly credit: (offset: number) => void;
  /** There is output that came earlier. */
  readonly onReleased: () => void;
}

export class FilteredOutput {
  readonly #options: FilteredOutputOptions;
  readonly #filter: OutputFilter;
  /** Oldest first; the last one moves on with the output. */
  #points: FilterPoint[] = [];
  /** Raw offsets after the last mark, in order. */
  #releases: number[];
  /** Releases of an earlier daemon that are still ahead. */
  readonly #replayed: number[];
  /** Bytes that an earlier daemon has kept already. */
  #known = 0;
  #allowed = 0;
  /** What is on disk, and credited. */
  #marked: FilterPoint;
  #cancelRelease: (() => void) | null = null;
  #fedSince = false;

  /** The sink stands where an earlier daemon has left it. */
  constructor(options: FilteredOutputOptions) {
    this.#options = options;
    const start = options.mark.read();
    const { sink } = options;
    if (sink.end < start.seen) sink.restartAt(start.seen);
    else this.#known = sink.end - start.seen;
    this.#releases = [...start.releases];
    this.#replayed = [...start.releases];
    this.#marked = { raw: start.raw, seen: start.seen };
    this.#filter = options.make({ ...start, emit: (stream, bytes) => this.#seen(stream, bytes) });
  }

  get rawEnd(): number {
    return this.#filter.rawEnd;
  }

  get found(): readonly string[] {
    return [...this.#filter.found];
  }

  append(stream: OutputStream, bytes: Buffer): void {
    let rest = bytes;
    for (let next = this.#replayed[0]; next !== undefined && next <= this.#filter.rawEnd + rest.length; next = this.#replayed[0]) {
      const before = Math.max(0, next - this.#filter.rawEnd);
      if (before > 0) this.#filter.feed(stream, rest.subarray(0, before));
      this.#filter.release();
      rest = rest.subarray(before);
      this.#replayed.shift();
    }
    if (rest.length > 0) this.#filter.feed(stream, rest);
    this.#notePoint();
    if (this.#filter.isHolding) this.#releaseLater();
    if (this.#filter.rawEnd - this.#marked.raw >= FLUSH_BEHIND_BYTES) {
      void this.#options.sink.flush();
      this.durable(this.#allowed);
    }
  }

  /** What clients see up to here is durable, and readers that must not miss it have come close enough. */
  durable(seen: number): void {
    this.#allowed = seen;
    let last: FilterPoint | undefined;
    while (this.#points[0] !== undefined && this.#points[0].seen <= seen) last = this.#points.shift();
    if (last === undefined) return;
    // The newest one may be where the filter still stands.
    if (this.#points.length === 0) this.#points.push(last);
    if (last.raw <= this.#marked.raw) return;
    const { raw, seen: before } = last;
    this.#releases = this.#releases.filter((place) => place > raw);
    this.#write({ raw, seen: before });
    this.#options.credit(raw);
  }

  skipTo(raw: number): void {
    const { sink } = this.#options;
    const lost = raw - this.#filter.rawEnd;
    this.#filter.end();
    this.#filter.skipTo(raw);
    sink.restartAt(sink.end + lost);
    this.#points = [this.#filter.point];
  }

  /** Nothing more comes: what is held is shown. */
  end(): void {
    this.#cancelRelease?.();
    this.#cancelRelease = null;
    this.#filter.end();
  }

  /** The command's end is on disk; nobody will have to go on. */
  settled(): void {
    this.end();
    this.#options.mark.remove();
  }

  #seen(stream: OutputStream, bytes: Buffer): void {
    const known = Math.min(this.#known, bytes.length);
    this.#known -= known;
    if (known < bytes.length) this.#options.sink.append(stream, known === 0 ? bytes : bytes.subarray(known));
  }

  #notePoint(): void {
    const { point } = this.#filter;
    const [before, last] = [this.#points.at(-2), this.#points.at(-1)];
    if (last === undefined || (last.raw < point.raw && last.raw - (before?.raw ?? this.#marked.raw) >= POINT_STEP_BYTES))
      this.#points.push(point);
    else if (last.raw < point.raw) this.#points[this.#points.length - 1] = point;
  }

  #releaseLater(): void {
    this.#fedSince = this.#cancelRelease !== null;
    this.#cancelRelease ??= this.#options.clock.after(RELEASE_MS, () => {
      this.#cancelRelease = null;
      if (!this.#filter.isHolding) return;
      if (this.#fedSince) this.#releaseLater();
      else this.#release();
    });
  }

  /** On disk before anyone sees it: the next daemon has to cut in the same place. */
  #release(): void {
    this.#releases.push(this.#filter.rawEnd);
    this.#write(this.#marked);
    this.#filter.release();
    this.#notePoint();
    this.#options.onReleased();
  }

  #write(point: FilterPoint): void {
    this.#marked = point;
    this.#options.mark.write({ ...point, releases: this.#releases, found: [...this.found] });
  }
}
