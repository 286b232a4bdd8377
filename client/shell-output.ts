// Cuts the two streams of a shell process into runs, at markers that only the shell could have printed.

import { StringDecoder } from 'node:string_decoder';
import { ModelOutput } from './protocol/model-output.ts';

const NEWLINE = 0x0a;

export interface RunEnd {
  /** What the marker carries; null: the shell ended before it. */
  readonly status: number | null;
}

export interface RunOutput {
  readonly marker: string;
  readonly end: Promise<RunEnd>;
  text(): { readonly stdout: string; readonly stderr: string; readonly droppedBytes: { readonly stdout: number; readonly stderr: number } };
}

interface Listeners {
  readonly onStdout?: ((text: string) => void) | undefined;
  readonly onStderr?: ((text: string) => void) | undefined;
}

/** One stream of one run: passes bytes on until the marker, holding back only what may be its beginning. */
class Side {
  readonly kept = new ModelOutput();
  readonly #decoder = new StringDecoder('utf8');
  readonly #marker: Buffer;
  readonly #emit: ((text: string) => void) | undefined;
  #held = Buffer.alloc(0);
  /** After the marker: the rest of its line, without the newline. */
  tail: string | null = null;

  constructor(marker: string, emit: ((text: string) => void) | undefined) {
    this.#marker = Buffer.from(marker);
    this.#emit = emit;
  }

  /** Answers what lies behind the marker's line, or null while the line is not complete. */
  take(bytes: Uint8Array): Buffer | null {
    const all =
      this.#held.byteLength === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.concat([this.#held, bytes]);
    const at = all.indexOf(this.#marker);
    if (at === -1) {
      const keep = Math.min(all.byteLength, this.#marker.byteLength - 1);
      this.#pass(all.subarray(0, all.byteLength - keep));
      this.#held = Buffer.from(all.subarray(all.byteLength - keep));
      return null;
    }
    this.#pass(all.subarray(0, at));
    this.#held = Buffer.from(all.subarray(at));
    const end = this.#held.indexOf(NEWLINE);
    if (end === -1) return null;
    this.tail = this.#held.toString('latin1', this.#marker.byteLength, end).trim();
    return this.#held.subarray(end + 1);
  }

  /** The process ended: what was held back was output after all. */
  flush(): void {
    if (this.tail === null) this.#pass(this.#held);
  }

  #pass(bytes: Buffer): void {
    if (bytes.byteLength === 0) return;
    this.kept.append(bytes);
    this.#emit?.(this.#decoder.write(bytes));
  }
}

class Run implements RunOutput {
  readonly marker: string;
  readonly stdout: Side;
  readonly stderr: Side;
  readonly end: Promise<RunEnd>;
  settle: (end: RunEnd) => void = () => undefined;

  constructor(marker: string, listeners: Listeners) {
    this.marker = marker;
    this.stdout = new Side(marker, listeners.onStdout);
    this.stderr = new Side(marker, listeners.onStderr);
    this.end = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  text(): ReturnType<RunOutput['text']> {
    const stdout = this.stdout.kept.read();
    const stderr = this.stderr.kept.read();
    return { stdout: stdout.text, stderr: stderr.text, droppedBytes: { stdout: stdout.droppedBytes, stderr: stderr.droppedBytes } };
  }
}

export class ShellOutput {
  #run: Run | null = null;
  #hasEnded = false;

  /** The next run's output; runs do not overlap. */
  next(marker: string, listeners: Listeners = {}): RunOutput {
    const run = new Run(marker, listeners);
    if (this.#hasEnded) run.settle({ status: null });
    this.#run = run;
    return run;
  }

  take(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const run = this.#run;
    // Between runs only background jobs write; nobody waits for that.
    if (run === null) return;
    const side = stream === 'stdout' ? run.stdout : run.stderr;
    if (side.tail !== null) return;
    side.take(bytes);
    if (run.stdout.tail === null || run.stderr.tail === null) return;
    this.#run = null;
    run.settle({ status: Number(run.stdout.tail) });
  }

  ended(): void {
    this.#hasEnded = true;
    this.#run?.stdout.flush();
    this.#run?.stderr.flush();
    this.#run?.settle({ status: null });
    this.#run = null;
  }
}
