// Finds all forms of all values in one pass over bytes that come in pieces (Aho and Corasick). Owns the tables; state is the
// caller's. States near the root have full rows and can't be ends, so ordinary output costs one look-up a byte; deeper ones
// are chains with links to where a failed match goes on. Linear whatever the bytes are.

import { formsOf } from './secret-forms.ts';

/** Full rows down to this depth; below the shortest form, so that no such state is an end. */
const DENSE_DEPTH = 2;
/** A row has one entry per byte: states are counted in steps of it, so that state and byte together are a place in the rows. */
const ROW = 256;

export interface NamedValue {
  readonly name: string;
  readonly value: Buffer;
}

export class RedactionAutomaton {
  readonly names: readonly string[];
  /** Bytes of the longest form. */
  readonly longest: number;
  /** States from here on have no row. */
  readonly #dense: number;
  readonly #rows: Int32Array;
  readonly #byte: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #sibling: Int32Array;
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  /** Length of the longest form that ends in a state; 0: none. */
  readonly #endLength: Int32Array;
  readonly #endName: Int32Array;

  constructor(values: readonly NamedValue[]) {
    const forms = values.flatMap(({ name, value }) => formsOf(value).map((form) => ({ name, form })));
    this.names = [...new Set(values.map(({ name }) => name))];
    this.longest = forms.reduce((most, { form }) => Math.max(most, form.length), 0);
    const trie = new Trie(forms.reduce((sum, { form }) => sum + form.length, 1));
    for (const { name, form } of forms) trie.add(form, this.names.indexOf(name));
    const { order, rank } = trie.breadthFirst();
    const count = order.length;
    this.#byte = new Uint8Array(count);
    this.#firstChild = new Int32Array(count);
    this.#sibling = new Int32Array(count);
    this.#fail = new Int32Array(count);
    this.#depth = new Int32Array(count);
    this.#endLength = new Int32Array(count);
    this.#endName = new Int32Array(count);
    for (const [state, node] of order.entries()) {
      this.#byte[state] = trie.byte[node] as number;
      this.#firstChild[state] = rank[trie.firstChild[node] as number] as number;
      this.#sibling[state] = rank[trie.sibling[node] as number] as number;
      this.#depth[state] = trie.depth[node] as number;
      const end = trie.end[node] as number;
      this.#endLength[state] = end < 0 ? 0 : (trie.depth[node] as number);
      this.#endName[state] = end;
    }
    let dense = 0;
    while (dense < count && (this.#depth[dense] as number) <= DENSE_DEPTH) dense += 1;
    this.#dense = dense;
    this.#rows = new Int32Array(dense * ROW);
    this.#link(count);
  }

  /** Bytes before the end of what was read that a form may have begun with. */
  liveBytes(state: number): number {
    return this.#depth[state / ROW] as number;
  }

  endLength(state: number): number {
    return this.#endLength[state / ROW] as number;
  }

  endName(state: number): string {
    return this.names[this.#endName[state / ROW] as number] ?? '';
  }

  /** Reads on from `start` (0 at the beginning); calls back with the position after each end of a form, answers the state. */
  scan(bytes: Uint8Array, start: number, onEnd: (position: number, state: number) => void): number {
    const rows = this.#rows;
    const length = bytes.length;
    const dense = rows.length;
    let state = start;
    for (let at = 0; at < length; at += 1) {
      const byte = bytes[at] as number;
      if (state < dense) {
        state = rows[state + byte] as number;
        if (state < dense) continue;
      } else state = this.#step(state / ROW, byte) * ROW;
      if (this.#endLength[state / ROW] !== 0) onEnd(at + 1, state);
    }
    return state;
  }

  #step(from: number, byte: number): number {
    let state = from;
    while (state >= this.#dense) {
      const child = this.#childOf(state, byte);
      if (child !== 0) return child;
      state = this.#fail[state] as number;
    }
    return (this.#rows[state * ROW + byte] as number) / ROW;
  }

  #childOf(state: number, byte: number): number {
    let child = this.#firstChild[state] as number;
    while (child !== 0 && this.#byte[child] !== byte) child = this.#sibling[child] as number;
    return child;
  }

  /** In breadth-first order, so that where a state fails to is done before it. */
  #link(count: number): void {
    for (let state = 0; state < count; state += 1) {
      const fallback = (this.#fail[state] as number) * ROW;
      if (state > 0 && state < this.#dense) this.#rows.copyWithin(state * ROW, fallback, fallback + ROW);
      for (let child = this.#firstChild[state] as number; child !== 0; child = this.#sibling[child] as number) {
        const byte = this.#byte[child] as number;
        const fail = state === 0 ? 0 : this.#step(this.#fail[state] as number, byte);
        this.#fail[child] = fail;
        if (state < this.#dense) this.#rows[state * ROW + byte] = child * ROW;
        if (this.#endLength[child] !== 0 || this.#endLength[fail] === 0) continue;
        this.#endLength[child] = this.#endLength[fail] as number;
        this.#endName[child] = this.#endName[fail] as number;
      }
    }
  }
}

/** All forms as a tree; node 0 is the root and also "none". */
class Trie {
  readonly byte: Uint8Array;
  readonly firstChild: Int32Array;
  readonly sibling: Int32Array;
  readonly depth: Int32Array;
  /** Index of the name whose form ends here; -1: none does. */
  readonly end: Int32Array;
  #size = 1;

  constructor(maxNodes: number) {
    this.byte = new Uint8Array(maxNodes);
    this.firstChild = new Int32Array(maxNodes);
    this.sibling = new Int32Array(maxNodes);
    this.depth = new Int32Array(maxNodes);
    this.end = new Int32Array(maxNodes).fill(-1);
  }

  add(form: Uint8Array, name: number): void {
    let node = 0;
    for (const byte of form) {
      let child = this.firstChild[node] as number;
      while (child !== 0 && this.byte[child] !== byte) child = this.sibling[child] as number;
      if (child === 0) {
        child = this.#size++;
        this.byte[child] = byte;
        this.depth[child] = (this.depth[node] as number) + 1;
        this.sibling[child] = this.firstChild[node] as number;
        this.firstChild[node] = child;
      }
      node = child;
    }
    if ((this.end[node] as number) < 0) this.end[node] = name;
  }

  /** Nodes by depth, and the place of each in that order. */
  breadthFirst(): { readonly order: Int32Array; readonly rank: Int32Array } {
    const order = new Int32Array(this.#size);
    const rank = new Int32Array(this.#size);
    let filled = 1;
    for (let at = 0; at < filled; at += 1) {
      for (let child = this.firstChild[order[at] as number] as number; child !== 0; child = this.sibling[child] as number) {
        rank[child] = filled;
        order[filled++] = child;
      }
    }
    return { order, rank };
  }
}
