// Everything that is kept of one command's output: the spool, and head and tail of each stream as text.
// Owns what happens to a piece of output; knows nothing of who reads it.

import { isAscii } from 'node:buffer';
import type { OutputStream } from '../link/messages.ts';
import { ModelOutput } from '../../client/protocol/model-output.ts';
import type { ExecSpool } from './spool.ts';
import { SpoolReader } from './spool-reader.ts';

export interface OutputText {
  readonly stdout: string;
  readonly stderr: string;
  readonly droppedBytes: { readonly stdout: number; readonly stderr: number };
}

export class OutputRecorder {
  readonly spool: ExecSpool;
  readonly #onKept: ((stream: OutputStream, bytes: Buffer) => void) | undefined;
  /** Null once the text has been taken for good. */
  #text: { readonly stdout: ModelOutput; readonly stderr: ModelOutput } | null = { stdout: new ModelOutput(), stderr: new ModelOutput() };

  /** `onKept` sees every piece. */
  constructor(spool: ExecSpool, onKept?: (stream: OutputStream, bytes: Buffer) => void) {
    this.spool = spool;
    this.#onKept = onKept;
  }

  append(stream: OutputStream, bytes: Buffer): void {
    this.#onKept?.(stream, bytes);
    this.#text?.[stream].append(bytes, isAscii(bytes));
    this.spool.append(stream, bytes);
  }

  /** Output that nobody has any more. */
  skipTo(offset: number): void {
    this.#text?.stdout.skip(offset - this.spool.end);
    this.spool.restartAt(offset);
  }

  /** Builds the text from what an earlier daemon has spooled. */
  async replay(): Promise<void> {
    const reader = new SpoolReader(this.spool, 0);
    try {
      for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
        if ('from' in batch) this.#text?.stdout.skip(batch.to - batch.from);
        else for (const piece of batch) this.#text?.[piece.stream].append(piece.bytes);
      }
    } finally {
      await reader.close();
    }
  }

  text(): OutputText {
    const stdout = this.#text?.stdout.read() ?? { text: '', droppedBytes: 0 };
    const stderr = this.#text?.stderr.read() ?? { text: '', droppedBytes: 0 };
    return { stdout: stdout.text, stderr: stderr.text, droppedBytes: { stdout: stdout.droppedBytes, stderr: stderr.droppedBytes } };
  }

  /** The text is kept elsewhere from now on. */
  release(): void {
    this.#text = null;
  }
}
