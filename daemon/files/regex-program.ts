// The tree of a regular expression -> the program that the file worker runs (images/init/file-regex.h), with the text that
// every match must contain. Owns the bound on its size; the worker never sees the text of a pattern.

import { normalSet, utf8Sequences, type CharacterSet } from './regex-set.ts';
import { literalRegex, parseRegex, refuseRegex, type RegexNode } from './regex-syntax.ts';
import { requiredLiteral } from './regex-literal.ts';

const MAX_INSTRUCTIONS = 4096;
const INSTRUCTION_BYTES = 8;
const OP = { match: 0, range: 1, split: 2, assert: 3 } as const;
const ASSERT = { begin: 0, end: 1, word: 2, noWord: 3 } as const;
const FLAG = { fold: 1, literal: 2 } as const;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

interface Instruction {
  readonly op: number;
  readonly low: number;
  readonly high: number;
  readonly x: number;
  y: number;
}

export interface RegexOptions {
  /** The pattern is text, not an expression. */
  readonly isLiteral?: boolean | undefined;
  readonly ignoresCase?: boolean | undefined;
}

/** INVALID_REQUEST for what is malformed, too large or has no linear-time matching. */
export function compileRegex(pattern: string, options: RegexOptions = {}): Buffer {
  const isFolded = options.ignoresCase === true;
  if (pattern === '') refuseRegex(pattern, 'it is empty');
  const tree = options.isLiteral === true ? literalRegex(pattern, isFolded) : parseRegex(pattern, isFolded);
  const literal = requiredLiteral(tree);
  const compiler = new Compiler(pattern);
  const code = literal.isAll ? [] : compiler.compile(tree);
  if (literal.isAll && literal.bytes.includes(NEWLINE)) refuseNewline(pattern);
  const header = Buffer.alloc(4);
  header[0] = (literal.isFolded ? FLAG.fold : 0) | (literal.isAll ? FLAG.literal : 0);
  header[1] = literal.bytes.length;
  header.writeUInt16LE(code.length, 2);
  const body = Buffer.alloc(code.length * INSTRUCTION_BYTES);
  for (const [index, { op, low, high, x, y }] of code.entries()) {
    const at = index * INSTRUCTION_BYTES;
    body[at] = op;
    body[at + 1] = low;
    body[at + 2] = high;
    body.writeUInt16LE(x, at + 4);
    body.writeUInt16LE(y, at + 6);
  }
  return Buffer.concat([header, literal.bytes, body]);
}

function refuseNewline(pattern: string): never {
  return refuseRegex(pattern, 'a match lies within one line, and the pattern asks for a newline', 'Search for one of its lines.');
}

/** Backwards: each part is compiled when it is known what follows it. */
class Compiler {
  readonly #pattern: string;
  readonly #code: Instruction[] = [];

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  compile(tree: RegexNode): readonly Instruction[] {
    // Execution begins at instruction 0, whose target is known last.
    this.#add(OP.split, 0, 0, 0, 0);
    const entry = this.#node(tree, this.#add(OP.match, 0, 0, 0, 0));
    this.#code[0] = { op: OP.split, low: 0, high: 0, x: entry, y: entry };
    return this.#code;
  }

  /** Where the node begins when `next` comes after it. */
  #node(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next;
      case 'set':
        return this.#set(node.set, next);
      case 'sequence':
        return node.parts.reduceRight((after, part) => this.#node(part, after), next);
      case 'choice':
        return this.#oneOf(node.options.map((option) => this.#node(option, next)));
      case 'assert':
        return this.#assert(node.what, next);
      case 'repeat':
        return this.#repeat(node.node, node.min, node.max, next);
    }
  }

  #repeat(node: RegexNode, min: number, max: number, next: number): number {
    let at = next;
    if (max === Infinity) {
      const loop = this.#add(OP.split, 0, 0, next, next);
      this.#split(loop).y = this.#node(node, loop);
      at = loop;
    } else for (let count = min; count < max; count += 1) at = this.#add(OP.split, 0, 0, next, this.#node(node, at));
    for (let count = 0; count < min; count += 1) at = this.#node(node, at);
    return at;
  }

  /** A carriage return before the newline belongs to the end of the line. */
  #assert(what: keyof typeof ASSERT, next: number): number {
    const at = this.#add(OP.assert, ASSERT[what], 0, next, 0);
    if (what !== 'end') return at;
    return this.#add(OP.split, 0, 0, at, this.#add(OP.range, CARRIAGE_RETURN, CARRIAGE_RETURN, at, 0));
  }

  #set(set: CharacterSet, next: number): number {
    const shared = new Map<string, number>();
    const starts = new Set<number>();
    for (const [low, high] of normalSet(set)) {
      if (low <= NEWLINE && high >= NEWLINE) refuseNewline(this.#pattern);
      for (const sequence of utf8Sequences(low, high)) {
        starts.add(
          sequence.reduceRight((after, [from, to]) => {
            const key = `${from},${to},${after}`;
            const known = shared.get(key) ?? this.#add(OP.range, from, to, after, 0);
            shared.set(key, known);
            return known;
          }, next),
        );
      }
    }
    if (starts.size === 0) refuseRegex(this.#pattern, 'a set in it has no character');
    return this.#oneOf([...starts]);
  }

  #oneOf(starts: readonly number[]): number {
    return starts.slice(0, -1).reduceRight((rest, start) => this.#add(OP.split, 0, 0, start, rest), starts.at(-1) ?? 0);
  }

  #split(at: number): Instruction {
    const instruction = this.#code[at];
    if (instruction === undefined) throw new RangeError('no such instruction');
    return instruction;
  }

  #add(op: number, low: number, high: number, x: number, y: number): number {
    if (this.#code.length >= MAX_INSTRUCTIONS)
      refuseRegex(this.#pattern, `it takes more than ${MAX_INSTRUCTIONS} steps`, 'Repeat less, or use smaller sets.');
    this.#code.push({ op, low, high, x, y });
    return this.#code.length - 1;
  }
}
