// Keeps the values of secrets out of one command's output, over pieces of any size and two interleaved streams. What comes
// out is in the order it came in and depends on the bytes alone, not on how they were cut, so a daemon that takes over can
// feed it again and gets the same; only a release (a pause in the output) is remembered by its place.
// Owns what is held back and when it may go; knows nothing of commands, disks or clients.

import type { RedactionAutomaton } from './redaction-automaton.ts';

type StreamName = 'stdout' | 'stderr';

/** Raw bytes after which a place to go on from is made, whatever is held: init waits for its credit. */
const MAX_BEHIND_BYTES = 96 * 1024;

export interface OutputRedactorOptions {
  readonly automaton: RedactionAutomaton;
  readonly emit: (stream: StreamName, bytes: Buffer) => void;
  /** Where to begin; both 0 for a new command. */
  readonly raw: number;
  readonly seen: number;
  readonly found: readonly string[];
}

interface Piece {
  readonly stream: StreamName;
  /** Of the first byte, in its own stream. */
  at: number;
  bytes: Buffer;
}

interface Interval {
  start: number;
  end: number;
  name: string;
}

/** One of the two streams; positions count its own bytes. */
class Lane {
  state = 0;
  end = 0;
  /** Everything before this has gone out, or was left out. */
  gone = 0;
  /** What is to be left out, in order, without overlaps. */
  readonly intervals: Interval[] = [];
  /** The one whose mark went out last. */
  marked: Interval | null = null;

  /** What begins before this can't be part of a value any more. */
  decided(automaton: RedactionAutomaton): number {
    return this.end - automaton.liveBytes(this.state);
  }

  found(end: number, length: number, name: string): void {
    const start = end - length;
    for (let last = this.intervals.at(-1); last !== undefined && last.end > start; last = this.intervals.at(-1)) {
      if (last.start <= start) {
        last.end = end;
        return;
      }
      this.intervals.pop();
    }
    this.intervals.push({ start, end, name });
  }
}

export class OutputRedactor {
  readonly found: Set<string>;
  readonly #automaton: RedactionAutomaton;
  readonly #emit: (stream: StreamName, bytes: Buffer) => void;
  readonly #lanes = { stdout: new Lane(), stderr: new Lane() };
  /** In the order they came; what has gone out is cut off. */
  readonly #queue: Piece[] = [];
  #queuedBytes = 0;
  #raw: number;
  #seen: number;
  #point: { readonly raw: number; readonly seen: number };

  constructor(options: OutputRedactorOptions) {
    this.#automaton = options.automaton;
    this.#emit = options.emit;
    this.#raw = options.raw;
    this.#seen = options.seen;
    this.#point = { raw: options.raw, seen: options.seen };
    this.found = new Set(options.found);
  }

  get rawEnd(): number {
    return this.#raw;
  }

  get point(): { readonly raw: number; readonly seen: number } {
    return this.#point;
  }

  get isHolding(): boolean {
    return this.#queue.length > 0;
  }

  /** The bytes must not change afterwards. */
  feed(stream: StreamName, bytes: Buffer): void {
    const lane = this.#lanes[stream];
    const base = lane.end;
    lane.state = this.#automaton.scan(bytes, lane.state, (position, state) => {
      const name = this.#automaton.endName(state);
      this.found.add(name);
      lane.found(base + position, this.#automaton.endLength(state), name);
    });
    lane.end += bytes.length;
    this.#raw += bytes.length;
    this.#queue.push({ stream, at: base, bytes });
    this.#queuedBytes += bytes.length;
    this.#pump(false);
    if (this.#raw - this.#point.raw >= MAX_BEHIND_BYTES) this.#forget();
  }

  release(): void {
    this.#pump(true);
  }

  end(): void {
    this.#forget();
  }

  skipTo(raw: number): void {
    this.#forget();
    this.#seen += raw - this.#raw;
    this.#raw = raw;
    this.#mark();
  }

  /** Lets everything go and looks for nothing that has begun. */
  #forget(): void {
    this.#pump(true);
    for (const lane of [this.#lanes.stdout, this.#lanes.stderr]) {
      lane.state = 0;
      lane.intervals.length = 0;
    }
    this.#mark();
  }

  #pump(isForced: boolean): void {
    while (this.#queue[0] !== undefined && this.#advance(this.#queue[0], isForced)) this.#queue.shift();
    for (const lane of [this.#lanes.stdout, this.#lanes.stderr])
      while (lane.intervals[0] !== undefined && lane.intervals[0].end <= lane.gone && lane.intervals.length > 1) lane.intervals.shift();
    // What is kept for long must not keep alive the large buffer it came in.
    const first = this.#queue[0];
    if (first !== undefined && this.#queue.length === 1 && first.bytes.length * 4 < first.bytes.buffer.byteLength)
      first.bytes = Buffer.from(first.bytes);
    if (this.#isClean()) this.#mark();
  }

  /** Lets go what is decided of a piece; true: all of it. */
  #advance(piece: Piece, isForced: boolean): boolean {
    const lane = this.#lanes[piece.stream];
    const pieceEnd = piece.at + piece.bytes.length;
    const limit = isForced ? pieceEnd : Math.min(pieceEnd, lane.decided(this.#automaton));
    let index = 0;
    while (piece.at < pieceEnd) {
      let interval = lane.intervals[index];
      while (interval !== undefined && interval.end <= piece.at) interval = lane.intervals[++index];
      if (interval !== undefined && interval.start <= piece.at) {
        this.#leaveOut(lane, interval, piece, Math.min(interval.end, pieceEnd));
        continue;
      }
      const stop = Math.min(limit, interval?.start ?? limit);
      if (stop <= piece.at) return false;
      this.#out(piece.stream, piece.bytes.subarray(0, stop - piece.at));
      this.#cut(lane, piece, stop);
    }
    return true;
  }

  #leaveOut(lane: Lane, interval: Interval, piece: Piece, end: number): void {
    // Its beginning may be out already, by a release; the mark stands where the rest would.
    if (lane.marked !== interval) {
      lane.marked = interval;
      this.#out(piece.stream, Buffer.from(`[redacted:${interval.name}]`));
    }
    this.#cut(lane, piece, end);
  }

  #cut(lane: Lane, piece: Piece, to: number): void {
    const bytes = to - piece.at;
    piece.bytes = piece.bytes.subarray(bytes);
    piece.at = to;
    lane.gone = to;
    this.#queuedBytes -= bytes;
  }

  #out(stream: StreamName, bytes: Buffer): void {
    this.#seen += bytes.length;
    this.#emit(stream, bytes);
  }

  /** Nothing that is still looked for began before what is out. */
  #isClean(): boolean {
    return [this.#lanes.stdout, this.#lanes.stderr].every((lane) => {
      const next = lane.intervals.find(({ end }) => end > lane.gone);
      return lane.decided(this.#automaton) >= lane.gone && (next === undefined || next.start >= lane.gone);
    });
  }

  #mark(): void {
    this.#point = { raw: this.#raw - this.#queuedBytes, seen: this.#seen };
  }
}
