// Some lines out of a stream of bytes: counts newlines, keeps the bytes of the lines asked for, up to a limit.

const LF = 0x0a;

export class LineWindow {
  readonly #first: number;
  readonly #last: number;
  readonly #maxBytes: number;
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;
  /** Of the line that is being read. */
  #line = 1;
  #isAtLineStart = true;
  isCut = false;

  /** Lines `first` to `last`, 1-based and inclusive. */
  constructor(first: number, last: number, maxBytes: number) {
    this.#first = first;
    this.#last = last;
    this.#maxBytes = maxBytes;
  }

  /** Nothing that follows would be kept. */
  get isFull(): boolean {
    return this.isCut || this.#line > this.#last;
  }

  /** Lines so far. */
  get lines(): number {
    return this.#isAtLineStart ? this.#line - 1 : this.#line;
  }

  push(bytes: Buffer): void {
    let from = 0;
    let keptFrom = this.#line >= this.#first && this.#line <= this.#last ? 0 : -1;
    for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, from)) {
      from = at + 1;
      if (keptFrom !== -1 && this.#line === this.#last) {
        this.#keep(bytes.subarray(keptFrom, from));
        keptFrom = -1;
      }
      this.#line += 1;
      if (this.#line === this.#first) keptFrom = from;
    }
    if (bytes.length > 0) this.#isAtLineStart = from === bytes.length;
    if (keptFrom !== -1) this.#keep(bytes.subarray(keptFrom));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#kept, this.#keptBytes);
  }

  #keep(bytes: Buffer): void {
    const taken = bytes.subarray(0, this.#maxBytes - this.#keptBytes);
    if (taken.length < bytes.length) this.isCut = true;
    if (taken.length === 0) return;
    this.#kept.push(Buffer.from(taken));
    this.#keptBytes += taken.length;
  }
}
