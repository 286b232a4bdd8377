// File names in the headers of unified diffs: prefixes, quotes, time stamps, /dev/null. Pure.

export interface HeaderNames {
  /** null: /dev/null. */
  readonly from: string | null;
  readonly to: string | null;
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** A name as git writes it: with quotes and escapes where it has to; otherwise up to a tab. */
export function readName(text: string): string {
  const line = text.replace(/\r$/, '');
  if (line.startsWith('"')) return unquoted(line)?.name ?? line;
  const tab = line.indexOf('\t');
  return (tab === -1 ? line : line.slice(0, tab)).trimEnd();
}

/** Of `---` and `+++`. Prefixes like `a/` and `b/` go where both sides have theirs. */
export function plainNames(from: string, to: string): HeaderNames {
  const names = { from: orNull(readName(from)), to: orNull(readName(to)) };
  const letters = { from: prefixOf(names.from), to: prefixOf(names.to) };
  const isPrefixed =
    names.from === null
      ? letters.to === 'b'
      : names.to === null
        ? letters.from === 'a'
        : letters.from !== null && letters.to !== null && letters.from !== letters.to;
  return isPrefixed ? { from: names.from?.slice(2) ?? null, to: names.to?.slice(2) ?? null } : names;
}

/** Of `diff --git`, where no other header names the file: both names are then the same. */
export function gitNames(text: string): HeaderNames | null {
  const line = text.replace(/\r$/, '');
  if (line.startsWith('"')) {
    const first = unquoted(line);
    return first === null ? null : plainNames(line.slice(0, first.length), line.slice(first.length + 1));
  }
  const half = (line.length - 1) / 2;
  if (!Number.isInteger(half) || line[half] !== ' ') return null;
  const names = plainNames(line.slice(0, half), line.slice(half + 1));
  return names.from === names.to ? names : null;
}

const orNull = (name: string): string | null => (name === '/dev/null' ? null : name);

function prefixOf(name: string | null): string | null {
  return name !== null && /^[abciow]\/./.test(name) ? (name[0] ?? null) : null;
}

/** The name in quotes at the start, and how many characters it took. */
function unquoted(line: string): { readonly name: string; readonly length: number } | null {
  const bytes: number[] = [];
  let at = 1;
  while (at < line.length && line[at] !== '"') {
    const octal = /^\\([0-3][0-7]{2})/.exec(line.slice(at, at + 4));
    const escape = ESCAPES[line[at + 1] ?? ''];
    if (octal !== null) {
      bytes.push(Number.parseInt(octal[1] ?? '', 8));
      at += 4;
    } else if (line[at] === '\\' && escape !== undefined) {
      bytes.push(escape);
      at += 2;
    } else {
      const character = String.fromCodePoint(line.codePointAt(at) ?? 0);
      bytes.push(...Buffer.from(character));
      at += character.length;
    }
  }
  return line[at] === '"' ? { name: Buffer.from(bytes).toString('utf8'), length: at + 1 } : null;
}
