// Values of a label that come from outside: the first so many keep their names, all others share one.

/** No tenant and no reason is called this. */
export const OTHER = '_other';

export class BoundedLabel {
  readonly #values = new Set<string>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  of(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#max) return OTHER;
    this.#values.add(value);
    return value;
  }
}
