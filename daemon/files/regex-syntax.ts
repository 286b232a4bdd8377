// The text of a regular expression -> a tree. The subset that can be matched in linear time: no back-references, no looking
// around. Pure; bounds on size hold for hostile patterns too.

import { SandboxError } from '../../client/protocol/errors.ts';
import { complement, foldSet, NAMED_SETS, type CharacterSet } from './regex-set.ts';

export type RegexNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'sequence'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly options: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly node: RegexNode; readonly min: number; readonly max: number }
  | { readonly kind: 'assert'; readonly what: 'begin' | 'end' | 'word' | 'noWord' };

export const MAX_PATTERN_CHARACTERS = 4096;
const MAX_REPEAT = 1000;
const MAX_DEPTH = 100;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7, 0: 0 };
const MAX_CODE_POINT = 0x10_ffff;

export function refuseRegex(pattern: string, cause: string, hint?: string): never {
  throw new SandboxError('INVALID_REQUEST', `Cannot search for ${JSON.stringify(pattern.slice(0, 200))}: ${cause}`, { hint });
}

/** Throws INVALID_REQUEST for what is malformed or can't be matched in linear time. */
export function parseRegex(pattern: string, isFolded: boolean): RegexNode {
  const parser = new Parser(pattern, isFolded);
  return parser.parse();
}

/** The text itself. */
export function literalRegex(text: string, isFolded: boolean): RegexNode {
  const parts = Array.from(text).map((character): RegexNode => ({ kind: 'set', set: one(character.codePointAt(0) ?? 0, isFolded) }));
  return { kind: 'sequence', parts };
}

function one(code: number, isFolded: boolean): CharacterSet {
  return isFolded ? foldSet([[code, code]]) : [[code, code]];
}

class Parser {
  readonly #pattern: string;
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;
  #isFolded: boolean;

  constructor(pattern: string, isFolded: boolean) {
    if (pattern.length > MAX_PATTERN_CHARACTERS) refuseRegex(pattern, `it has more than ${MAX_PATTERN_CHARACTERS} characters`);
    this.#pattern = pattern;
    this.#characters = Array.from(pattern);
    this.#isFolded = isFolded;
  }

  parse(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#characters.length)
      this.#refuse('a parenthesis is closed that was not opened', 'Escape it as \\), or pass literal.');
    return node;
  }

  #choice(): RegexNode {
    if (++this.#depth > MAX_DEPTH) this.#refuse(`its groups are nested deeper than ${MAX_DEPTH}`);
    const wasFolded = this.#isFolded;
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    this.#isFolded = wasFolded;
    this.#depth -= 1;
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options };
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      const atom = this.#atom();
      parts.push(this.#repeated(atom));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'sequence', parts };
  }

  #repeated(atom: RegexNode): RegexNode {
    let node = atom;
    for (;;) {
      const bounds = this.#quantifier();
      if (bounds === null) return node;
      if (node.kind === 'repeat' && node !== atom) this.#refuse('it repeats what is repeated already', 'Put it in parentheses.');
      // Lazy or not is the same question where only the line is told.
      if (!this.#take('?') && this.#peek() === '+') this.#refuse('possessive quantifiers are not supported');
      node = { kind: 'repeat', node, ...bounds };
    }
  }

  #quantifier(): { readonly min: number; readonly max: number } | null {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    const braces = /^\{(\d{1,5})(,(\d{1,5})?)?\}/.exec(this.#characters.slice(this.#at, this.#at + 16).join(''));
    if (braces === null) return null;
    this.#at += braces[0].length;
    const min = Number(braces[1]);
    const max = braces[2] === undefined ? min : braces[3] === undefined ? Infinity : Number(braces[3]);
    if (min > max) this.#refuse('a repetition has its bounds the wrong way round');
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) this.#refuse(`it repeats more than ${MAX_REPEAT} times`);
    return { min, max };
  }

  #atom(): RegexNode {
    const character = this.#characters[this.#at++] ?? '';
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', set: this.#brackets() };
      case '.':
        return { kind: 'set', set: complement([[10, 10]]) };
      case '^':
        return { kind: 'assert', what: 'begin' };
      case '$':
        return { kind: 'assert', what: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        return this.#refuse('it repeats nothing', `Escape it as \\${character}, or pass literal.`);
      default:
        return { kind: 'set', set: one(character.codePointAt(0) ?? 0, this.#isFolded) };
    }
  }

  #group(): RegexNode {
    if (this.#take('?')) {
      const rest = this.#characters.slice(this.#at, this.#at + 80).join('');
      const named = /^P?<[A-Za-z_]\w*>/.exec(rest);
      const flags = /^(i?)(-i)?([:)])/.exec(rest);
      if (named !== null) this.#at += named[0].length;
      else if (flags === null)
        this.#refuse('looking around and this kind of group are not supported', 'They have no linear-time matching.');
      else {
        this.#at += flags[0].length;
        if (flags[1] === 'i' || flags[2] !== undefined) {
          if (flags[3] === ')') {
            this.#isFolded = flags[2] === undefined;
            return { kind: 'empty' };
          }
          const wasFolded = this.#isFolded;
          this.#isFolded = flags[2] === undefined;
          const node = this.#choice();
          this.#isFolded = wasFolded;
          return this.#closed(node);
        }
      }
    }
    return this.#closed(this.#choice());
  }

  #closed(node: RegexNode): RegexNode {
    if (!this.#take(')')) this.#refuse('a parenthesis is not closed', 'Escape it as \\(, or pass literal.');
    return node;
  }

  #escape(): RegexNode {
    const character = this.#characters[this.#at++];
    if (character === undefined) this.#refuse('it ends in a backslash');
    if (character === 'b') return { kind: 'assert', what: 'word' };
    if (character === 'B') return { kind: 'assert', what: 'noWord' };
    if (character === 'A') return { kind: 'assert', what: 'begin' };
    if (character === 'z' || character === 'Z') return { kind: 'assert', what: 'end' };
    const named = NAMED_SETS[character];
    if (named !== undefined) return { kind: 'set', set: named };
    return { kind: 'set', set: one(this.#escapedCode(character), this.#isFolded) };
  }

  #escapedCode(character: string): number {
    const simple = ESCAPES[character];
    if (simple !== undefined) return simple;
    if (character === 'x' || character === 'u') {
      const digits = character === 'x' ? /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/ : /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))/;
      const found = digits.exec(this.#characters.slice(this.#at, this.#at + 8).join(''));
      const code = found === null ? -1 : Number.parseInt(found[1] ?? found[2] ?? '', 16);
      if (found === null || code > MAX_CODE_POINT) this.#refuse(`\\${character} is not followed by the number of a character`);
      this.#at += found[0].length;
      return code;
    }
    if (/[1-9]/.test(character)) this.#refuse('back-references are not supported', 'They have no linear-time matching.');
    if (/[A-Za-z]/.test(character)) this.#refuse(`\\${character} is not supported`);
    return character.codePointAt(0) ?? 0;
  }

  #brackets(): CharacterSet {
    const isNegative = this.#take('^');
    const ranges: [number, number][] = [];
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      if (this.#at >= this.#characters.length) this.#refuse('a bracket is not closed', 'Escape it as \\[, or pass literal.');
      const from = this.#bracketItem();
      if (typeof from !== 'number') {
        ranges.push(...from.map(([low, high]): [number, number] => [low, high]));
        continue;
      }
      const isRange = this.#peek() === '-' && this.#characters[this.#at + 1] !== ']' && this.#at + 1 < this.#characters.length;
      if (isRange) this.#at += 1;
      const to = isRange ? this.#bracketItem() : from;
      if (typeof to !== 'number' || to < from) this.#refuse('a range in brackets is the wrong way round');
      ranges.push([from, to]);
    }
    this.#at += 1;
    const set = this.#isFolded ? foldSet(ranges) : ranges;
    return isNegative ? complement([...set, [10, 10]]) : set;
  }

  #bracketItem(): number | CharacterSet {
    const posix = /^\[:(\w+):\]/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''));
    if (posix !== null) {
      this.#at += posix[0].length;
      return NAMED_SETS[`:${posix[1]}:`] ?? this.#refuse(`${posix[0]} is not known`);
    }
    const character = this.#characters[this.#at++] ?? '';
    if (character !== '\\') return character.codePointAt(0) ?? 0;
    const escaped = this.#characters[this.#at++];
    if (escaped === undefined) this.#refuse('it ends in a backslash');
    return escaped === 'b' ? 8 : (NAMED_SETS[escaped] ?? this.#escapedCode(escaped));
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }

  #refuse(cause: string, hint?: string): never {
    return refuseRegex(this.#pattern, cause, hint);
  }
}
