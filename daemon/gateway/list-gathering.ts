// The answers of several members to one `list`, as one. Pure.

import { z } from 'zod';

/** What is in an entry was checked by the member that has it, and is checked again by the client. */
const ListAnswer = z.object({ id: z.int(), result: z.object({ sandboxes: z.array(z.unknown()) }) });

export class ListGathering {
  readonly #own: string;
  readonly #first: z.infer<typeof ListAnswer> | null;
  readonly #more: unknown[] = [];

  /** `own`: this member's answer; a refusal stays one. */
  constructor(own: string) {
    this.#own = own;
    this.#first = ListAnswer.safeParse(JSON.parse(own)).data ?? null;
  }

  add(answer: string): void {
    const parsed = ListAnswer.safeParse(JSON.parse(answer)).data;
    if (this.#first === null || parsed === undefined) return;
    this.#more.push(...parsed.result.sandboxes);
  }

  get text(): string {
    if (this.#first === null || this.#more.length === 0) return this.#own;
    return JSON.stringify({ id: this.#first.id, result: { sandboxes: [...this.#first.result.sandboxes, ...this.#more] } });
  }
}
