// A command's output as lines that are safe to show: whole lines, each with its prefix, control characters escaped.

import { escapeText } from './escape-text.ts';

/** A line that does not end is shown in parts of this size. */
const MAX_LINE = 16 * 1024;

export class OutputLines {
  readonly #decoder = new TextDecoder();
  readonly #show: (line: string) => void;
  readonly #maxLine: number;
  #rest = '';

  /** `show` gets each line without its end; one that is longer than `maxLine` in parts. */
  constructor(show: (line: string) => void, maxLine = MAX_LINE) {
    this.#show = show;
    this.#maxLine = maxLine;
  }

  add(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#show(visible(line));
    for (; this.#rest.length >= this.#maxLine; this.#rest = this.#rest.slice(this.#maxLine))
      this.#show(visible(this.#rest.slice(0, this.#maxLine)));
  }

  /** What is left stands alone. */
  end(): void {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = '';
    if (rest !== '') this.#show(visible(rest));
  }
}

/** A tab stays one, and what a progress bar overwrote is not shown. */
const visible = (line: string): string => escapeText(line.replace(/\r+$/, '').replace(/^.*\r/s, '').replaceAll('\t', '        '));
