// One line on the user's terminal that says how far something is; nothing anywhere else.

import type { CliOutput } from './context.ts';

const REDRAW_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

export class Progress {
  readonly #out: CliOutput;
  readonly #isShown: boolean;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #isDrawn = false;

  /** Of standard error: standard output may be somebody's input. */
  constructor(out: CliOutput) {
    this.#out = out;
    this.#isShown = out.isTTY === true;
  }

  tell(text: string): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    this.#isDrawn = true;
    this.#out.write(`${CLEAR_LINE}${text.slice(0, (this.#out.columns ?? 80) - 1)}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isDrawn) this.#out.write(CLEAR_LINE);
    this.#isDrawn = false;
  }
}
