// A recorder that a filter may stand in front of. Without one it is the recorder itself, and costs nothing more.

import type { OutputStream } from '../link/messages.ts';
import type { FilteredOutput, FilteredOutputOptions } from './filtered-output.ts';
import { OutputRecorder, type OutputText } from './output-recorder.ts';

export class FilterableRecorder extends OutputRecorder {
  /** Null: everything may be seen. */
  #filtered: FilteredOutput | null = null;

  /** Offset of what init has sent; that of the spool counts what may be seen. */
  get rawEnd(): number {
    return this.#filtered?.rawEnd ?? this.spool.end;
  }

  /** Also the names of secrets that were found. */
  override text(): OutputText & { readonly redacted: readonly string[] } {
    return { ...super.text(), redacted: this.#filtered?.found ?? [] };
  }

  /** Output passes through a filter from here on. */
  filterThrough(make: (sink: FilteredOutputOptions['sink']) => FilteredOutput): void {
    const { spool } = this;
    this.#filtered = make({
      get end() {
        return spool.end;
      },
      append: (stream, bytes) => this.keep(stream, bytes),
      flush: () => spool.flush(),
      restartAt: (offset) => super.skipTo(offset),
    });
  }

  override append(stream: OutputStream, bytes: Buffer): void {
    if (this.#filtered === null) super.append(stream, bytes);
    else this.#filtered.append(stream, bytes);
  }

  /** What may be seen as it is. */
  keep(stream: OutputStream, bytes: Buffer): void {
    super.append(stream, bytes);
  }

  override skipTo(offset: number): void {
    if (this.#filtered === null) super.skipTo(offset);
    else this.#filtered.skipTo(offset);
  }

  /** Output before this offset of the spool is durable. False: there is no filter, and the offset is also init's. */
  durable(offset: number): boolean {
    this.#filtered?.durable(offset);
    return this.#filtered !== null;
  }

  /** Nothing more comes. */
  end(): void {
    this.#filtered?.end();
  }

  /** Its end is on disk. */
  settled(): void {
    this.#filtered?.settled();
  }
}
