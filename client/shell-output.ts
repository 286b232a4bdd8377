// Cuts the two streams of a shell process into runs, at marks that only the shell could have printed.
//
// A mark is `MARKER:CODE` and a newline, MARKER 128 random bits made for one run. What bash shows of the text
// that prints it (set -v, set -x, a DEBUG trap) has no number behind the marker, and so is no mark.

import { StringDecoder } from 'node:string_decoder';
import { ModelOutput } from './protocol/model-output.ts';

const COLON = 0x3a;
const NEWLINE = 0x0a;
/** Of a job's mark, which is the longest. */
const MAX_DIGITS = 8;

const MAX_JOBS = 4096;

/** Codes above every exit code. */
export const STARTED = 1000;
/** Printed after the nth interrupt: STILL_THERE + n. */
export const STILL_THERE = 2000;
/** Before the start, once per child there is: JOB + its process id, of which there are at most 2 ** 22. */
export const JOB = 10_000_000;

export interface RunEnd {
  /** What the mark that ended it carries; null: the shell ended before it. */
  readonly status: number | null;
}

export interface RunOutput {
  readonly marker: string;
  /** Settles when the run's text is being executed, or is over. */
  readonly started: Promise<void>;
  readonly end: Promise<RunEnd>;
  readonly isOver: boolean;
  /** Process ids of children of earlier runs. */
  readonly jobs: readonly number[];
  /** From now on only this code ends the run. */
  expect(code: number): void;
  text(): { readonly stdout: string; readonly stderr: string; readonly droppedBytes: { readonly stdout: number; readonly stderr: number } };
}

interface Listeners {
  readonly onStdout?: ((text: string) => void) | undefined;
  readonly onStderr?: ((text: string) => void) | undefined;
}

/** One stream of one run: passes on what lies between its marks, holding back only what may be the beginning of one. */
class Side {
  readonly kept = new ModelOutput();
  readonly #decoder = new StringDecoder('utf8');
  readonly #marker: Buffer;
  readonly #emit: ((text: string) => void) | undefined;
  readonly #onMark: (code: number) => void;
  #isPassing: boolean;
  #held = Buffer.alloc(0);

  constructor(marker: string, isPassing: boolean, emit: ((text: string) => void) | undefined, onMark: (code: number) => void) {
    this.#marker = Buffer.from(`${marker}:`);
    this.#isPassing = isPassing;
    this.#emit = emit;
    this.#onMark = onMark;
  }

  take(bytes: Uint8Array): void {
    let rest =
      this.#held.byteLength === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.concat([this.#held, bytes]);
    for (;;) {
      const at = rest.indexOf(this.#marker);
      if (at === -1) break;
      const code = codeAt(rest, at + this.#marker.byteLength);
      if (code === 'unknown') {
        this.#pass(rest.subarray(0, at));
        this.#held = Buffer.from(rest.subarray(at));
        return;
      }
      const after = at + this.#marker.byteLength;
      this.#pass(rest.subarray(0, code === null ? after : at));
      rest = rest.subarray(code === null ? after : code.end);
      if (code === null) continue;
      this.#isPassing = code.value === STARTED;
      this.#onMark(code.value);
    }
    const keep = beginningAtEnd(rest, this.#marker);
    this.#pass(rest.subarray(0, rest.byteLength - keep));
    this.#held = Buffer.from(rest.subarray(rest.byteLength - keep));
  }

  /** The process ended: what was held back was output after all. */
  flush(): void {
    this.#pass(this.#held);
    const left = this.#decoder.end();
    if (left !== '') this.#emit?.(left);
  }

  #pass(bytes: Buffer): void {
    if (bytes.byteLength === 0 || !this.#isPassing) return;
    this.kept.append(bytes);
    this.#emit?.(this.#decoder.write(bytes));
  }
}

/** The number and newline that stand here; null: something else does; `unknown`: not enough bytes to say. */
function codeAt(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | null | 'unknown' {
  for (let at = start; at < bytes.byteLength; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === NEWLINE) return at === start ? null : { value: Number(bytes.toString('latin1', start, at)), end: at + 1 };
    if (byte < 0x30 || byte >= COLON || at - start === MAX_DIGITS) return null;
  }
  return 'unknown';
}

/** How many bytes at the end of `bytes` are a beginning of `marker`. */
function beginningAtEnd(bytes: Buffer, marker: Buffer): number {
  for (let length = Math.min(marker.byteLength - 1, bytes.byteLength); length > 0; length -= 1) {
    if (bytes.subarray(bytes.byteLength - length).equals(marker.subarray(0, length))) return length;
  }
  return 0;
}

class Run implements RunOutput {
  readonly marker: string;
  readonly stdout: Side;
  readonly stderr: Side;
  readonly started: Promise<void>;
  readonly end: Promise<RunEnd>;
  isOver = false;
  readonly jobs: number[] = [];
  #expected: number | null = null;
  /** The latest code of each stream. */
  readonly #codes: { stdout: number | null; stderr: number | null } = { stdout: null, stderr: null };
  #begin: () => void = () => undefined;
  #settle: (end: RunEnd) => void = () => undefined;

  constructor(marker: string, listeners: Listeners, isPassing: boolean) {
    this.marker = marker;
    this.stdout = new Side(marker, isPassing, listeners.onStdout, (code) => this.#onMark('stdout', code));
    this.stderr = new Side(marker, isPassing, listeners.onStderr, (code) => this.#onMark('stderr', code));
    this.started = new Promise((resolve) => (this.#begin = resolve));
    this.end = new Promise((resolve) => (this.#settle = resolve));
  }

  expect(code: number): void {
    this.#expected = code;
  }

  settle(end: RunEnd): void {
    this.isOver = true;
    this.#begin();
    this.#settle(end);
  }

  text(): ReturnType<RunOutput['text']> {
    const stdout = this.stdout.kept.read();
    const stderr = this.stderr.kept.read();
    return { stdout: stdout.text, stderr: stderr.text, droppedBytes: { stdout: stdout.droppedBytes, stderr: stderr.droppedBytes } };
  }

  #onMark(stream: 'stdout' | 'stderr', code: number): void {
    if (code > JOB) {
      if (this.jobs.length < MAX_JOBS) this.jobs.push(code - JOB);
      return;
    }
    this.#codes[stream] = code;
    const { stdout, stderr } = this.#codes;
    if (stdout === STARTED && stderr === STARTED) this.#begin();
    const isEnd = (at: number | null): boolean => at !== null && (this.#expected === null ? at !== STARTED : at === this.#expected);
    if (isEnd(stdout) && isEnd(stderr)) this.settle({ status: stdout });
  }
}

export class ShellOutput {
  #run: Run | null = null;
  #hasEnded = false;

  /** The next run's output; runs do not overlap. `isPassing`: there is no mark of its beginning. */
  next(marker: string, listeners: Listeners = {}, isPassing = false): RunOutput {
    const run = new Run(marker, listeners, isPassing);
    if (this.#hasEnded) run.settle({ status: null });
    this.#run = run;
    return run;
  }

  take(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    // Between runs only background jobs and prompts write; nobody waits for that.
    const run = this.#run;
    if (run !== null && !run.isOver) run[stream].take(bytes);
  }

  ended(): void {
    this.#hasEnded = true;
    const run = this.#run;
    if (run === null || run.isOver) return;
    run.stdout.flush();
    run.stderr.flush();
    run.settle({ status: null });
  }
}
