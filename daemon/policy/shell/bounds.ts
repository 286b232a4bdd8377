// How much of one line is followed: commands, expansions, texts within texts and characters. Beyond that it is TooComplex, so
// that reading takes time in proportion to the line, whatever is in it. Knows no grammar.

import { TooComplex } from './readable.ts';

const MAX_STEPS = 1_500;
const MAX_PARTS = 5_000;

export class Bounds {
  /** Nodes of the grammar that were charged for. */
  readonly #charged = new WeakSet<object>();
  #steps = 0;
  #parts = 0;
  /** Characters that may still be parsed. */
  #parsed: number;
  /** Characters that may still be followed, each time that they are. */
  #followed: number;

  constructor(length: number) {
    this.#parsed = length * 2 + 16_384;
    this.#followed = length * 4 + 524_288;
  }

  /** A command, simple or not. */
  step(): void {
    this.#steps += 1;
    if (this.#steps > MAX_STEPS) throw new TooComplex(`it has more than ${MAX_STEPS} commands`);
  }

  /** A piece of a word that is not plain. */
  part(): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw new TooComplex(`it has more than ${MAX_PARTS} expansions`);
  }

  /** A text that is parsed. */
  spend(characters: number): void {
    this.#parsed -= characters;
    if (this.#parsed < 0) throw new TooComplex('it is nested too often');
  }

  /** The same for a text within a word, which is parsed once. */
  charge(part: object, characters: number): void {
    if (this.#charged.has(part)) return;
    this.#charged.add(part);
    this.spend(characters);
  }

  /** Loops, functions, variables, braces and wrappers make much of little: what is looked at again counts again. */
  follow(characters: number): void {
    this.#followed -= characters;
    if (this.#followed < 0) throw new TooComplex('it is too much to follow');
  }
}
