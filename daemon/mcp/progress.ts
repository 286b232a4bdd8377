// What an MCP client hears of a command while it runs: its newest output, or that it still runs. At most four times a second.

import type { ServerContext } from '@modelcontextprotocol/server';
import type { Clock } from '../observe/clock.ts';

const AT_LEAST_MS = 250;
const SILENCE_MS = 5_000;
const MAX_CHARACTERS = 2_000;

export class Progress implements Disposable {
  readonly #context: ServerContext;
  readonly #clock: Clock;
  readonly #token: string | number | undefined;
  readonly #beganAt: number;
  #toldAt: number | null = null;
  #last = 0;
  #text = '';
  #cancel: () => void = () => undefined;
  #isOver = false;

  constructor(context: ServerContext, clock: Clock) {
    this.#context = context;
    this.#clock = clock;
    this.#token = context.mcpReq._meta?.progressToken;
    this.#beganAt = clock.now();
    this.#wait(SILENCE_MS);
  }

  /** Output that came; only its tail is told. */
  output(text: string): void {
    if (this.#token === undefined || this.#isOver) return;
    this.#text = (this.#text + text).slice(-MAX_CHARACTERS);
    const since = this.#toldAt === null ? AT_LEAST_MS : this.#clock.now() - this.#toldAt;
    if (since >= AT_LEAST_MS) this.#tell();
    else this.#wait(AT_LEAST_MS - since);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#cancel();
  }

  #wait(ms: number): void {
    this.#cancel();
    if (this.#token !== undefined) this.#cancel = this.#clock.after(ms, () => this.#tell());
  }

  #tell(): void {
    if (this.#isOver || this.#token === undefined) return;
    const now = this.#clock.now();
    // Milliseconds since the start, for want of a total; it has to grow.
    this.#last = Math.max(this.#last + 1, now - this.#beganAt);
    const message = this.#text === '' ? `running for ${Math.round((now - this.#beganAt) / 1000)} s` : this.#text;
    this.#text = '';
    this.#toldAt = now;
    // Safe because: progress is a courtesy; a client that is gone is noticed by the answer.
    void this.#context.mcpReq
      .notify({ method: 'notifications/progress', params: { progressToken: this.#token, progress: this.#last, message } })
      .catch(() => undefined);
    this.#wait(SILENCE_MS);
  }
}
