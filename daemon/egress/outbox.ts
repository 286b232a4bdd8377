// What the egress process says to the daemon, several messages in one write: each write wakes the daemon, which costs more than
// what it says. Owns the order, which is that of telling.

import { type FromEgress, MAX_TOGETHER } from './messages.ts';

const LATER_MS = 5;

export class Outbox {
  readonly #write: (messages: FromEgress[]) => void;
  #waiting: FromEgress[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(write: (messages: FromEgress[]) => void) {
    this.#write = write;
  }

  /** At once, after all that was told before. What is over already may wait a moment for company. */
  tell(message: FromEgress): void {
    this.#waiting.push(message);
    if (message.t !== 'decision' || this.#waiting.length >= MAX_TOGETHER) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), LATER_MS);
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#write(messages);
  }
}
