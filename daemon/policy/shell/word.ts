// A word of the shell's grammar -> the words it becomes, as far as that is settled before it runs. Owns quoting, braces,
// tildes, variables and splitting; what is only known at run time becomes a marker. Runs nothing, reads no file.

import type { CommandExpansionPart, ParameterExpansionPart, Word, WordPart } from 'unbash';
import type { Bounds } from './bounds.ts';
import { expandBraces } from './braces.ts';
import { ANY, BREAK, PIPE_PATH, STAR, UNKNOWN, withoutMarkers } from './markers.ts';
import type { Piece } from './piece.ts';
import { HOME, type Variables } from './variables.ts';

export interface WordContext {
  readonly variables: Variables;
  readonly cwd: string | null;
  /** `$1` and so on; null: anything. */
  readonly positional: readonly string[] | null;
  /** What a substitution certainly yields; null: not known before it runs. */
  readonly output: (part: CommandExpansionPart) => string | null;
  readonly bounds: Bounds;
}

const NEEDS_WORK = /[\\~\uE000-\uE004]/;

/** All words that it becomes; none, for an empty expansion. */
export function expandWord(word: Word, context: WordContext): readonly string[] {
  context.bounds.follow(word.text.length);
  const { parts } = word;
  if (parts === undefined && !NEEDS_WORK.test(word.text)) return [word.text];
  const pieces: Piece[] = [];
  if (parts === undefined) addLiteral(pieces, word.text);
  else for (const part of parts) addPart(pieces, part, context);
  if (!word.text.includes('{')) return split(pieces);
  // Braces are taken apart character by character.
  context.bounds.follow(word.text.length * 16);
  const words: string[] = [];
  for (const variant of expandBraces(pieces)) {
    const texts = split(variant);
    for (const text of texts) context.bounds.follow(text.length + 16);
    words.push(...texts);
  }
  return words;
}

/** As one text, unsplit: what an assignment or a here-document has of it. */
export function expandText(word: Word, context: WordContext): string {
  context.bounds.follow(word.text.length);
  if (word.parts === undefined && !NEEDS_WORK.test(word.text)) return word.text;
  const pieces: Piece[] = [];
  if (word.parts === undefined) addLiteral(pieces, word.text);
  else for (const part of word.parts) addPart(pieces, part, context);
  return join(pieces).replaceAll(BREAK, ' ');
}

/** The body of a here-document whose delimiter is not quoted. */
export function expandParts(parts: readonly WordPart[], context: WordContext): string {
  const pieces: Piece[] = [];
  for (const part of parts) {
    if (part.type === 'Literal') pieces.push({ text: withoutMarkers(part.value), isQuoted: true });
    else addPart(pieces, part, context, true);
  }
  return join(pieces);
}

function addPart(pieces: Piece[], part: WordPart, context: WordContext, isQuoted = false): void {
  const push = (text: string, quoted = isQuoted) => pieces.push({ text, isQuoted: quoted });
  switch (part.type) {
    case 'Literal':
      if (isQuoted) push(withoutMarkers(part.value));
      else addLiteral(pieces, part.text);
      return;
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      push(withoutMarkers(part.value), true);
      return;
    case 'DoubleQuoted':
    case 'LocaleString':
      if (part.parts.length === 0) push('', true);
      for (const child of part.parts) addPart(pieces, child, context, true);
      return;
    case 'Glob':
      push(isQuoted ? part.value : part.kind === 'star' ? STAR : ANY);
      return;
    case 'ExtendedGlob':
      push(STAR);
      return;
    case 'BraceExpansion':
      if (part.parts === undefined) addLiteral(pieces, part.text);
      else {
        push('{');
        for (const child of part.parts) addPart(pieces, child, context);
        push('}');
      }
      return;
    case 'SimpleExpansion':
      addVariable(pieces, part.text.slice(1), isQuoted, context);
      return;
    case 'ParameterExpansion':
      addParameter(pieces, part, isQuoted, context);
      return;
    case 'ProcessSubstitution':
      push(PIPE_PATH, true);
      return;
    case 'CommandExpansion': {
      const output = context.output(part);
      if (output === null) push(UNKNOWN);
      else addValues(pieces, [output.replace(/\n+$/, '')], isQuoted, false, context);
      return;
    }
    case 'ArithmeticExpansion':
      // A number: no path, no option and no program.
      push('0');
  }
}

/** Unquoted text as it was written: a backslash quotes what follows. */
function addLiteral(pieces: Piece[], text: string): void {
  let from = 0;
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', from)) {
    if (at > from) pieces.push({ text: withoutMarkers(text.slice(from, at)), isQuoted: false });
    const quoted = text[at + 1];
    if (quoted !== undefined && quoted !== '\n') pieces.push({ text: withoutMarkers(quoted), isQuoted: true });
    from = at + 2;
  }
  if (from >= text.length) return;
  const clean = withoutMarkers(text.slice(from));
  if (pieces.length === 0 && clean.startsWith('~')) {
    const slash = clean.indexOf('/');
    const user = clean.slice(1, slash === -1 ? undefined : slash);
    const home = user === '' ? HOME : user === 'root' ? '/root' : /^[a-z_][a-z0-9_-]*$/i.test(user) ? `/home/${user}` : UNKNOWN;
    pieces.push({ text: home, isQuoted: true }, { text: clean.slice(user.length + 1), isQuoted: false });
  } else pieces.push({ text: clean, isQuoted: false });
}

function valuesOf(name: string, context: WordContext): readonly string[] | undefined {
  const { positional } = context;
  if (name === '@' || name === '*') return positional === null ? [UNKNOWN] : positional.slice(1);
  if (/^\d+$/.test(name)) return positional === null ? [UNKNOWN] : [positional[Number(name)] ?? ''];
  return context.variables.get(name, context.cwd);
}

function addVariable(pieces: Piece[], name: string, isQuoted: boolean, context: WordContext): void {
  if (name === 'IFS' && !context.variables.hasOwnIfs) {
    pieces.push(isQuoted ? { text: ' \t\n', isQuoted } : { text: BREAK, isQuoted });
    return;
  }
  addValues(pieces, valuesOf(name, context) ?? [UNKNOWN], isQuoted, name === '@', context);
}

function addValues(pieces: Piece[], values: readonly string[], isQuoted: boolean, isList: boolean, context: WordContext): void {
  for (const { length } of values) context.bounds.follow(length + 1);
  const texts = isQuoted || context.variables.hasOwnIfs ? values : values.map(globbed);
  const hasSpace = !isQuoted && context.variables.hasOwnIfs && texts.some((text) => text !== '');
  if (hasSpace) pieces.push({ text: UNKNOWN, isQuoted });
  else if (isQuoted && !isList) pieces.push({ text: texts.join(' '), isQuoted });
  // A list in quotes is as many words; the break is the one character that quotes do not keep.
  else pieces.push({ text: texts.join(BREAK), isQuoted });
}

/** The text of a value outside quotes: split at blanks, its globs at work. */
const globbed = (text: string): string =>
  text
    .replace(/[ \t\n]+/g, BREAK)
    .replace(/\*/g, STAR)
    .replace(/\?|\[[^\]/]*\]/g, ANY);

function addParameter(pieces: Piece[], part: ParameterExpansionPart, isQuoted: boolean, context: WordContext): void {
  const { parameter, prefix, operation, index } = part;
  const isWhole = index !== undefined && (index.text === '@' || index.text === '*');
  if (prefix !== undefined || (index !== undefined && !isWhole && index.text !== '0')) {
    pieces.push({ text: prefix === '#' ? '0' : UNKNOWN, isQuoted });
    return;
  }
  if (operation === undefined) {
    if (parameter === 'IFS') return addVariable(pieces, parameter, isQuoted, context);
    const all = valuesOf(parameter, context) ?? [UNKNOWN];
    return addValues(
      pieces,
      isWhole || parameter === '@' ? all : all.slice(0, 1),
      isQuoted,
      index?.text === '@' || parameter === '@',
      context,
    );
  }
  if (operation.type !== 'Default' || operation.operator.includes('?')) {
    pieces.push({ text: UNKNOWN, isQuoted });
    return;
  }
  const known = valuesOf(parameter, context);
  const value = known?.[0];
  const isAlternative = operation.operator.includes('+');
  // An unset name may come from the request's environment; what the text itself says is the worse of the two.
  if (value === undefined || value === UNKNOWN || (value === '') !== isAlternative) {
    if (value !== undefined && value !== UNKNOWN && value !== '' && !isAlternative) return;
    context.bounds.charge(operation.operand, operation.operand.text.length);
    for (const child of operation.operand.parts ?? [null]) {
      if (child !== null) addPart(pieces, child, context, isQuoted);
      else if (isQuoted) pieces.push({ text: withoutMarkers(operation.operand.value), isQuoted });
      else addLiteral(pieces, operation.operand.text);
    }
  } else if (!isAlternative) addValues(pieces, [value], isQuoted, false, context);
}

function join(pieces: readonly Piece[]): string {
  let text = '';
  let last = '';
  for (const piece of pieces) {
    // Twice anything is anything.
    if (piece.text === UNKNOWN && last.endsWith(UNKNOWN)) continue;
    text += piece.text;
    if (piece.text !== '') last = piece.text;
  }
  return text;
}

function split(pieces: readonly Piece[]): readonly string[] {
  const text = join(pieces);
  const isKept = pieces.some(({ isQuoted }) => isQuoted);
  if (!text.includes(BREAK)) return text === '' && !isKept ? [] : [text];
  return text.split(BREAK).filter((word) => word !== '' || isKept);
}
