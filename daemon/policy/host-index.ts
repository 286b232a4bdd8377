// Entries of a list by their hosts: which of them name a host, however long the list is. Owns the look-up, in the list's order.

import type { Host } from './host-name.ts';
import type { HostPattern } from './host-pattern.ts';

interface Entry<T> {
  readonly value: T;
  /** In the list. */
  readonly at: number;
}

const NOTHING: readonly never[] = [];

export class HostIndex<T> {
  readonly size: number;
  readonly #exact = new Map<string, Entry<T>[]>();
  /** Of `*.suffix`: by the suffix. */
  readonly #suffixes = new Map<string, Entry<T>[]>();

  constructor(values: readonly T[], patternOf: (value: T) => HostPattern) {
    this.size = values.length;
    for (const [at, value] of values.entries()) {
      const { host, isSuffix } = patternOf(value);
      const table = isSuffix ? this.#suffixes : this.#exact;
      const known = table.get(host.text);
      if (known === undefined) table.set(host.text, [{ value, at }]);
      else known.push({ value, at });
    }
  }

  /** Those that name the host, whatever the port, in the list's order. No name reads like an address. */
  of(host: Host): readonly T[] {
    if (this.size === 0) return NOTHING;
    const exact = this.#exact.get(host.text);
    if (host.kind === 'address' || this.#suffixes.size === 0) return exact === undefined ? NOTHING : exact.map(({ value }) => value);
    const found = exact === undefined ? [] : [...exact];
    for (let dot = host.text.indexOf('.'); dot !== -1; dot = host.text.indexOf('.', dot + 1)) {
      const below = this.#suffixes.get(host.text.slice(dot + 1));
      if (below !== undefined) found.push(...below);
    }
    if (found.length > 1) found.sort((a, b) => a.at - b.at);
    return found.map(({ value }) => value);
  }

  /** Every one of them. */
  *[Symbol.iterator](): Generator<T> {
    for (const table of [this.#exact, this.#suffixes]) for (const entries of table.values()) for (const { value } of entries) yield value;
  }
}

export const indexPatterns = (patterns: readonly HostPattern[]): HostIndex<HostPattern> => new HostIndex(patterns, (pattern) => pattern);
