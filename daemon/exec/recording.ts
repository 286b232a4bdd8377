// One recording while it is written: lines collected for a moment, then appended; two files in turn, so that the latest part of a long
// session is kept. Owns its files' names and order; what happened is told to it.

import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../observe/clock.ts';
import type { RecordingEvent, RecordingHeader } from './recording-format.ts';

const FLUSH_MS = 500;
/** Lines that wait for the disk; what comes above is counted instead. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Files of one recording. */
const KEPT_SEGMENTS = 2;

export const segmentName = (sandboxId: string, segment: number): string => `${sandboxId}.${segment}.rec`;

export interface RecordingOptions {
  readonly directory: string;
  readonly header: RecordingHeader;
  /** Of all its files together. */
  readonly maxBytes: number;
  /** Files of an earlier daemon with their bytes; they are not written to again, because the last line may be torn. */
  readonly segments: ReadonlyMap<number, number>;
  readonly clock: Clock;
  /** Whether there is room for so many more bytes among all recordings. */
  readonly hasRoom: (bytes: number) => boolean;
  readonly onError: (error: unknown) => void;
}

export class Recording {
  /** Bytes of each file, oldest first. */
  readonly segments: Map<number, number>;
  readonly #options: RecordingOptions;
  #segment: number;
  /** The next line begins a file. */
  #isFresh = true;
  #lines: string[] = [];
  #waitingBytes = 0;
  #droppedBytes = 0;
  #cancelFlush: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.segments = new Map([...options.segments].sort(([a], [b]) => a - b));
    this.#segment = Math.max(-1, ...this.segments.keys());
  }

  get header(): RecordingHeader {
    return this.#options.header;
  }

  add(event: RecordingEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#droppedBytes += line.length;
      return;
    }
    this.#lines.push(line);
    this.#waitingBytes += line.length;
    this.#cancelFlush ??= this.#options.clock.after(FLUSH_MS, () => void this.flush());
  }

  /** Everything that was told so far is in the file. Never rejects. */
  flush(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    this.#writing = this.#writing.then(() => this.#write()).catch((error: unknown) => this.#options.onError(error));
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { clock, maxBytes, header } = this.#options;
    const lines = this.#lines.splice(0);
    if (this.#droppedBytes > 0) lines.push(`${JSON.stringify({ t: 'dropped', at: clock.now(), bytes: this.#droppedBytes })}\n`);
    this.#droppedBytes = 0;
    const segmentBytes = Math.floor(maxBytes / KEPT_SEGMENTS);
    let batch = '';
    try {
      for (const line of lines) {
        if (this.#isFresh || (this.segments.get(this.#segment) ?? 0) + batch.length + line.length > segmentBytes) {
          await this.#append(batch);
          this.#segment += 1;
          this.#isFresh = false;
          batch = `${JSON.stringify(header)}\n`;
        }
        batch += line;
      }
      await this.#append(batch);
    } finally {
      this.#waitingBytes = this.#lines.reduce((sum, line) => sum + line.length, 0);
    }
  }

  async #append(text: string): Promise<void> {
    if (text === '') return;
    const { directory, header, hasRoom } = this.#options;
    if (!hasRoom(text.length)) {
      this.#droppedBytes += text.length;
      // With the header may have gone what makes a file readable.
      this.#isFresh = true;
      return;
    }
    const bytes = Buffer.from(text);
    await appendFile(join(directory, segmentName(header.sandboxId, this.#segment)), bytes, { mode: 0o600 });
    this.segments.set(this.#segment, (this.segments.get(this.#segment) ?? 0) + bytes.length);
    for (const oldest of [...this.segments.keys()].slice(0, -KEPT_SEGMENTS)) {
      this.segments.delete(oldest);
      await rm(join(directory, segmentName(header.sandboxId, oldest)), { force: true });
    }
  }
}
