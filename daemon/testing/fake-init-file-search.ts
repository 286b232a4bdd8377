// How the fake init matches globs and lines: slowly and plainly, from the same bytes that the file worker gets.

import { posix } from 'node:path';

const OP = { match: 0, range: 1, split: 2, assert: 3 } as const;
const NEWLINE = 10;

/** The patterns of a list: u16 bytes and text each. */
export function readGlobs(list: Buffer): string[] {
  const globs: string[] = [];
  for (let at = 0; at + 2 <= list.length; ) {
    const end = at + 2 + list.readUInt16LE(at);
    globs.push(list.toString('utf8', at + 2, end));
    at = end;
  }
  return globs;
}

export class FakeGlobs {
  readonly #wanted: readonly string[];
  readonly #excluded: readonly string[];

  constructor(globs: readonly string[]) {
    this.#wanted = globs.filter((glob) => !glob.startsWith('!'));
    this.#excluded = globs.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1));
  }

  takes(path: string): boolean {
    const parents = path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
    if (parents.some((parent) => this.#excluded.some((glob) => matches(parent, glob)))) return false;
    return this.#wanted.length === 0 || this.#wanted.some((glob) => matches(path, glob));
  }
}

function matches(path: string, glob: string): boolean {
  const pattern = posix.normalize(glob).replace(/[.+^${}()|\\]|\*\*\/|\*\*|\*|\?/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
  return new RegExp(`^${pattern}$`, 'su').test(path);
}

/** A compiled expression, tried as a set of positions. */
export class FakeRegex {
  readonly #literal: Buffer;
  readonly #isFolded: boolean;
  readonly #code: Buffer;

  constructor(program: Buffer) {
    const bytes = program[1] ?? 0;
    this.#isFolded = ((program[0] ?? 0) & 1) !== 0;
    this.#literal = program.subarray(4, 4 + bytes);
    this.#code = program.subarray(4 + bytes);
  }

  matches(line: Buffer): boolean {
    const text = this.#isFolded
      ? Buffer.from(
          line.toString('latin1').replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
          'latin1',
        )
      : line;
    if (!text.includes(this.#literal)) return false;
    if (this.#code.length === 0) return true;
    let now = new Set<number>();
    for (let at = 0; at <= line.length; at += 1) {
      now = this.#close(new Set([...now, 0]), line, at);
      const next = new Set<number>();
      for (const pc of now) {
        const [op, low, high] = this.#code.subarray(pc * 8, pc * 8 + 3);
        if (op === OP.match) return true;
        const byte = line[at] ?? NEWLINE;
        if (op === OP.range && at < line.length && byte >= (low ?? 0) && byte <= (high ?? 0)) next.add(this.#code.readUInt16LE(pc * 8 + 4));
      }
      now = next;
    }
    return false;
  }

  #close(set: Set<number>, line: Buffer, at: number): Set<number> {
    // A set that grows while it is walked is walked to its new end.
    for (const pc of set) {
      const op = this.#code[pc * 8];
      if (op === OP.split) set.add(this.#code.readUInt16LE(pc * 8 + 4)).add(this.#code.readUInt16LE(pc * 8 + 6));
      if (op === OP.assert && holds(this.#code[pc * 8 + 1] ?? 0, line, at)) set.add(this.#code.readUInt16LE(pc * 8 + 4));
    }
    return set;
  }
}

function holds(kind: number, line: Buffer, at: number): boolean {
  if (kind === 0) return at === 0;
  if (kind === 1) return at === line.length;
  const isWord = (index: number): boolean => /\w/.test(String.fromCharCode(line[index] ?? 0));
  return (isWord(at - 1) !== isWord(at)) === (kind === 2);
}
